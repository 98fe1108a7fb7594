/* An empty program, whose time and size are those of any program. */
int main(void)
{
    return 0;
}

/* The vector table of QEMU's mps2-an500 board, and the reset handler, which enables the FPU. */
#include <stdint.h>

extern uint8_t __stack[];
void _start(void); /* in newlib: clears .bss, and calls main */

static void reset(void)
{
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* CPACR: full access to the coprocessors */
    __asm__ volatile("dsb\n\tisb");
    _start();
}

static void fault(void)
{
    for (;;) __asm__ volatile("bkpt 1"); /* is no semihosting call, so that QEMU ends */
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)__stack, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,   (uintptr_t)fault, (uintptr_t)fault};

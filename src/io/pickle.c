/* A machine for the pickles of torch.save; pickle.h says what it does. */
#include "pickle.h"

#include "convert.h"

#include <string.h>

/* The functions and classes that are known: those of storages, and some that may be called. */
enum { ORDERED_DICT = -1, REBUILD_TENSOR = -2, REBUILD_PARAMETER = -3, SIZE = -4 };
static const struct {
    char name[32];
    int8_t means; /* a file_type, or one of the above */
} globals[] = {
    {"torch.FloatStorage", FILE_F32},
    {"torch.DoubleStorage", FILE_F64},
    {"torch.LongStorage", FILE_I64},
    {"torch.BoolStorage", FILE_BOOL},
    {"torch.HalfStorage", FILE_F16},
    {"torch.BFloat16Storage", FILE_BF16},
    {"torch.ByteStorage", FILE_U8},
    {"torch.CharStorage", FILE_I8},
    {"torch.ShortStorage", FILE_I16},
    {"torch.IntStorage", FILE_I32},
    {"collections.OrderedDict", ORDERED_DICT},
    {"torch._utils._rebuild_tensor_v2", REBUILD_TENSOR},
    {"torch._utils._rebuild_parameter", REBUILD_PARAMETER},
    {"torch.Size", SIZE},
};
enum { GLOBALS = sizeof globals / sizeof *globals };

static bool refuse_pickle(const pickle *p, const char *problem)
{
    return tg__source_fail(p->from, "byte %llu of data.pkl: %s", (unsigned long long)p->at,
                           problem);
}

/* ---- Memory. */

/* Makes room for one more item, and returns its address. */
static void *add_item(pickle *p, pickle_array *a, size_t each)
{
    if (a->n == a->room) {
        tg_context *tg = p->from->tg;
        const size_t room = a->room ? 2 * a->room : 64;
        void *items = tg__take(tg, room * each);
        if (!items) return tg__fail(tg, TG_ERR_MEMORY, "%s: out of memory", p->from->op);
        if (a->n > 0) memcpy(items, a->items, a->n * each);
        if (a->room) tg__give(tg, a->items, a->room * each);
        a->items = items;
        a->room = room;
    }
    return (char *)a->items + a->n++ * each;
}

static void give_array(pickle *p, pickle_array *a, size_t each)
{
    if (a->room) tg__give(p->from->tg, a->items, a->room * each);
}

void tg__pickle_close(pickle *p)
{
    give_array(p, &p->stack, sizeof(pickle_value));
    give_array(p, &p->memo, sizeof(pickle_value));
    give_array(p, &p->boxes, sizeof(pickle_box));
    give_array(p, &p->cells, sizeof(pickle_cell));
}

/* ---- The stack. */

static bool push_value(pickle *p, pickle_value v)
{
    pickle_value *top = add_item(p, &p->stack, sizeof *top);
    if (top) *top = v;
    return top;
}

static bool push_integer(pickle *p, pickle_kind kind, int64_t integer)
{
    return push_value(p, (pickle_value){.kind = kind, .integer = integer});
}

/* The value that lies `below` under the top one; NULL with the error if there is none. */
static pickle_value *top_value(pickle *p, size_t below)
{
    if (p->stack.n > below) return (pickle_value *)p->stack.items + (p->stack.n - 1 - below);
    refuse_pickle(p, "the stack is empty");
    return NULL;
}

/* The number of values above the topmost mark; SIZE_MAX with the error if there is none. */
static size_t above_mark(pickle *p)
{
    const pickle_value *stack = p->stack.items;
    for (size_t i = p->stack.n; i-- > 0;)
        if (stack[i].kind == PICKLE_MARK) return p->stack.n - 1 - i;
    refuse_pickle(p, "the stack has no mark");
    return SIZE_MAX;
}

/* ---- Tuples, lists and dicts. */

static bool is_complete(const pickle_value *v)
{
    return v->kind != PICKLE_MARK;
}

/* Appends the n topmost values of the stack to a box, and takes them away. */
static bool append_values(pickle *p, size_t box, size_t n)
{
    if (n > p->stack.n) return refuse_pickle(p, "the stack is empty");
    const size_t from = p->stack.n - n;
    if (p->cells.n == 0 && !add_item(p, &p->cells, sizeof(pickle_cell))) return false;
    for (size_t i = 0; i < n; i++) {
        pickle_cell *cell = add_item(p, &p->cells, sizeof *cell);
        if (!cell) return false;
        *cell = (pickle_cell){.value = ((pickle_value *)p->stack.items)[from + i]};
        if (!is_complete(&cell->value)) return refuse_pickle(p, "a mark is no value");
        pickle_box *b = (pickle_box *)p->boxes.items + box;
        const uint32_t number = (uint32_t)(p->cells.n - 1);
        if (b->n++ == 0)
            b->first = number;
        else
            ((pickle_cell *)p->cells.items)[b->last].next = number;
        b->last = number;
    }
    p->stack.n = from;
    return true;
}

/* Makes a tuple, list or dict of the n topmost values, which it replaces. */
static bool make_box(pickle *p, pickle_kind kind, size_t n)
{
    pickle_box *b = add_item(p, &p->boxes, sizeof *b);
    if (!b) return false;
    *b = (pickle_box){0};
    const size_t box = p->boxes.n - 1;
    return append_values(p, box, n) && push_value(p, (pickle_value){.kind = kind, .at = box});
}

/* Makes a tuple of what lies above the mark. */
static bool make_tuple_above_mark(pickle *p)
{
    const size_t n = above_mark(p);
    if (n == SIZE_MAX || !make_box(p, PICKLE_TUPLE, n)) return false;
    pickle_value *stack = p->stack.items;
    stack[p->stack.n - 2] = stack[p->stack.n - 1];
    p->stack.n--;
    return true;
}

/* Appends the n topmost values, or with `marked` all above the mark, to the list or dict below. */
static bool append_to_box(pickle *p, pickle_kind kind, size_t n, bool marked)
{
    if (marked && (n = above_mark(p)) == SIZE_MAX) return false;
    const pickle_value *to = top_value(p, n + marked);
    if (!to) return false;
    if (to->kind != kind)
        return refuse_pickle(p, kind == PICKLE_LIST ? "it appends to what is no list"
                                                    : "it sets items of what is no dict");
    if (kind == PICKLE_DICT && n % 2) return refuse_pickle(p, "a key has no value");
    if (!append_values(p, to->at, n)) return false;
    p->stack.n -= marked;
    return true;
}

/* ---- Names and calls. */

/* Reads the module and the name of a global, each of which ends with a line. */
static bool read_global(pickle *p)
{
    char name[96], shown[96];
    const unsigned char *at = p->bytes + p->at;
    const unsigned char *line = memchr(at, '\n', p->size - p->at);
    const unsigned char *end =
        line ? memchr(line + 1, '\n', (size_t)(p->bytes + p->size - line) - 1) : NULL;
    if (!end) return refuse_pickle(p, "a name has no end");
    const size_t module = (size_t)(line - at), rest = (size_t)(end - line) - 1;
    snprintf(name, sizeof name, "%s.", tg__shorten((const char *)at, module, shown, 48));
    strcat(name, tg__shorten((const char *)line + 1, rest, shown, 46));
    p->at += module + rest + 2;
    for (int i = 0; i < GLOBALS; i++)
        if (!strcmp(globals[i].name, name)) return push_integer(p, PICKLE_GLOBAL, globals[i].means);
    return tg__source_fail(p->from,
                           "data.pkl wants Python to import %s, and only tensors, numbers and "
                           "texts in dicts and lists can be read: save net.state_dict(), not net",
                           name);
}

/* Replaces a function and its arguments by the result. */
static bool call_global(pickle *p)
{
    const pickle_value *arguments = top_value(p, 0), *function = top_value(p, 1);
    if (!function) return false;
    if (function->kind != PICKLE_GLOBAL || arguments->kind != PICKLE_TUPLE)
        return refuse_pickle(p, "it calls what is no function");
    pickle_value result = *arguments;
    const uint32_t n = tg__pickle_count(p, result);
    const int64_t called = function->integer;
    p->stack.n -= 2;
    if (called == ORDERED_DICT && n == 0) return make_box(p, PICKLE_DICT, 0);
    if (called == REBUILD_TENSOR) {
        result.kind = PICKLE_TENSOR;
        return push_value(p, result);
    }
    if (n > 0) result = tg__pickle_cell(p, tg__pickle_first(p, result)).value;
    if (called == REBUILD_PARAMETER && result.kind == PICKLE_TENSOR) return push_value(p, result);
    if (called == SIZE && n > 0 && result.kind == PICKLE_TUPLE) return push_value(p, result);
    return refuse_pickle(p, "it calls a function with arguments that are not those of PyTorch");
}

/* Drops the attributes that are set on an OrderedDict, such as the versions of modules. */
static bool drop_attributes(pickle *p)
{
    const pickle_value *to = top_value(p, 1);
    if (!to) return false;
    if (to->kind != PICKLE_DICT)
        return refuse_pickle(p, "it sets attributes of what is no OrderedDict");
    p->stack.n--;
    return true;
}

/* Makes a storage of the tuple on the stack. */
static bool make_storage(pickle *p)
{
    pickle_value *v = top_value(p, 0);
    if (!v) return false;
    if (v->kind != PICKLE_TUPLE) return refuse_pickle(p, "a storage is no tuple");
    v->kind = PICKLE_STORAGE;
    return true;
}

/* ---- The memo, a list of values to use again. Pickles fill it from the front. */

static bool store_in_memo(pickle *p, uint64_t at)
{
    const pickle_value *v = top_value(p, 0);
    if (!v) return false;
    if (!is_complete(v)) return refuse_pickle(p, "a mark is no value");
    if (at > p->memo.n) return refuse_pickle(p, "the memo is not filled in order");
    if (at == p->memo.n && !add_item(p, &p->memo, sizeof *v)) return false;
    ((pickle_value *)p->memo.items)[at] = *v;
    return true;
}

static bool fetch_from_memo(pickle *p, uint64_t at)
{
    if (at >= p->memo.n) return refuse_pickle(p, "the memo has no such value");
    return push_value(p, ((pickle_value *)p->memo.items)[at]);
}

/* ---- Instructions. */

/* Reads a number of n bytes, with the least significant one first, into *number. */
static bool read_number(pickle *p, int n, uint64_t *number)
{
    *number = 0;
    if (p->size - p->at < (size_t)n) return refuse_pickle(p, "it is cut");
    for (int i = n - 1; i >= 0; i--) *number = *number << 8 | p->bytes[p->at + (size_t)i];
    p->at += (size_t)n;
    return true;
}

/* Reads the argument of n bytes and pushes it as an integer. */
static bool push_unsigned(pickle *p, int n)
{
    uint64_t number;
    return read_number(p, n, &number) && push_integer(p, PICKLE_INTEGER, (int64_t)number);
}

static bool push_i32(pickle *p)
{
    uint64_t number;
    return read_number(p, 4, &number) &&
           push_integer(p, PICKLE_INTEGER, (int64_t)(number ^ 0x80000000) - 0x80000000);
}

/* An integer in two's complement, of as many bytes as the first one says. */
static bool push_long(pickle *p)
{
    uint64_t n, number;
    if (!read_number(p, 1, &n)) return false;
    if (n > 8) {
        if (p->size - p->at < n) return refuse_pickle(p, "it is cut");
        p->at += (size_t)n;
        return push_integer(p, PICKLE_LARGE, 0);
    }
    if (!read_number(p, (int)n, &number)) return false;
    const uint64_t sign = n > 0 ? (uint64_t)1 << (8 * n - 1) : 0;
    return push_integer(p, PICKLE_INTEGER, (int64_t)((number ^ sign) - sign));
}

/* A double, with the most significant byte first. */
static bool push_double(pickle *p)
{
    uint64_t bits;
    pickle_value v = {.kind = PICKLE_NUMBER};
    if (!read_number(p, 8, &bits)) return false;
    tg__swap_bytes(&bits, 8, 1);
    memcpy(&v.number, &bits, 8);
    return push_value(p, v);
}

static bool push_text(pickle *p)
{
    uint64_t n;
    if (!read_number(p, 4, &n)) return false;
    if (n > p->size - p->at) return refuse_pickle(p, "it is cut");
    const size_t at = p->at;
    p->at += (size_t)n;
    return push_value(p, (pickle_value){.kind = PICKLE_TEXT, .n = (uint32_t)n, .at = at});
}

static bool check_protocol(pickle *p)
{
    uint64_t protocol;
    return read_number(p, 1, &protocol) &&
           (protocol == 2 ||
            tg__source_fail(p->from,
                            "data.pkl has pickle protocol %d; only 2 is read, which is the default "
                            "of torch.save",
                            (int)protocol));
}

static bool refuse_instruction(pickle *p, int instruction)
{
    static const struct {
        uint8_t code;
        char name[13];
    } named[] = {{'i', "INST"},          {'o', "OBJ"},      {'P', "PERSID"}, {0x81, "NEWOBJ"},
                 {0x82, "EXT1"},         {0x83, "EXT2"},    {0x84, "EXT4"},  {0x92, "NEWOBJ_EX"},
                 {0x93, "STACK_GLOBAL"}, {0x94, "MEMOIZE"}, {0x95, "FRAME"}, {0x8f, "EMPTY_SET"}};
    const char *name = "";
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i].code == instruction) name = named[i].name;
    return tg__source_fail(
        p->from, "byte %llu of data.pkl: the instruction %d%s%s%s is not carried out",
        (unsigned long long)p->at, instruction, *name ? " (" : "", name, *name ? ")" : "");
}

/* Carries out an instruction, which was read. */
static bool carry_out(pickle *p, int instruction)
{
    uint64_t n;
    switch (instruction) {
    case 0x80: return check_protocol(p);
    case '(': return push_integer(p, PICKLE_MARK, 0);
    case 'N': return push_integer(p, PICKLE_NONE, 0);
    case 0x88: return push_integer(p, PICKLE_BOOL, 1);
    case 0x89: return push_integer(p, PICKLE_BOOL, 0);
    case 'K': return push_unsigned(p, 1);
    case 'M': return push_unsigned(p, 2);
    case 'J': return push_i32(p);
    case 0x8a: return push_long(p);
    case 'G': return push_double(p);
    case 'X': return push_text(p);
    case ')': return make_box(p, PICKLE_TUPLE, 0);
    case 0x85:
    case 0x86:
    case 0x87: return make_box(p, PICKLE_TUPLE, (size_t)(instruction - 0x84));
    case 't': return make_tuple_above_mark(p);
    case ']': return make_box(p, PICKLE_LIST, 0);
    case 'a': return append_to_box(p, PICKLE_LIST, 1, false);
    case 'e': return append_to_box(p, PICKLE_LIST, 0, true);
    case '}': return make_box(p, PICKLE_DICT, 0);
    case 's': return append_to_box(p, PICKLE_DICT, 2, false);
    case 'u': return append_to_box(p, PICKLE_DICT, 0, true);
    case 'q': return read_number(p, 1, &n) && store_in_memo(p, n);
    case 'r': return read_number(p, 4, &n) && store_in_memo(p, n);
    case 'h': return read_number(p, 1, &n) && fetch_from_memo(p, n);
    case 'j': return read_number(p, 4, &n) && fetch_from_memo(p, n);
    case 'c': return read_global(p);
    case 'R': return call_global(p);
    case 'b': return drop_attributes(p);
    case 'Q': return make_storage(p);
    default: return refuse_instruction(p, instruction);
    }
}

bool tg__pickle_read(pickle *p, source *from, const unsigned char *bytes, size_t n,
                     pickle_value *root)
{
    *p = (pickle){.from = from, .bytes = bytes, .size = n};
    if (n >= UINT32_MAX) return refuse_pickle(p, "it has more than 4 GB");
    while (p->at < n && bytes[p->at] != '.')
        if (!carry_out(p, bytes[p->at++])) return false;
    if (p->at == n) return refuse_pickle(p, "it is cut");
    if (p->stack.n != 1 || !is_complete(p->stack.items))
        return refuse_pickle(p, "it ends with no value");
    *root = *(const pickle_value *)p->stack.items;
    return p->at == n - 1 || refuse_pickle(p, "more follows its end");
}

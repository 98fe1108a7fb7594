/* The list of named tensors. */
#include "state.h"

#include <string.h>

/* Names are found by a crit-bit tree (Bernstein, https://cr.yp.to/critbit.html). A search takes at
 * most as many steps as the name has bits, whatever the names are: those of a file from elsewhere
 * cannot make it slow, as they could make a hash table. A branch tells at which bit the names below
 * it begin to differ. A child that is not negative is the index of a branch; the complement of one
 * that is negative is the index of an entry. */
typedef struct branch {
    int64_t child[2];
    size_t byte;  /* the index of the byte in which that bit lies */
    uint8_t rest; /* all bits of a byte but that one */
} branch;

/* The tensors or the texts of a list. */
typedef struct dictionary {
    int64_t n, room;
    void *entries; /* of tg_named or tg_text, both of which begin with the name */
    branch *branches;
    int64_t root; /* a child, if there are entries */
} dictionary;

typedef struct state_priv {
    tg_state pub;
    int64_t depth; /* of the scope that it belongs to */
    dictionary tensors, texts;
} state_priv;

enum { ENTRY = sizeof(tg_named) };
_Static_assert(sizeof(tg_text) == ENTRY, "texts and tensors lie in dictionaries of one kind");

static state_priv *priv_state(const tg_state *s)
{
    return (state_priv *)(uintptr_t)s;
}

static const char **name_at(const dictionary *d, int64_t i)
{
    return (const char **)(void *)((char *)d->entries + i * ENTRY);
}

/* Which child of b the name leads to. Adding a byte to `rest` carries only if the bit is set. */
static int side_of(const branch *b, const char *name, size_t n)
{
    const unsigned byte = b->byte < n ? (unsigned char)name[b->byte] : 0;
    return (int)((1 + (b->rest | byte)) >> 8);
}

/* The index of the entry that shares the most leading bits with the name; -1 if there is none. */
static int64_t nearest(const dictionary *d, const char *name, size_t n)
{
    if (d->n == 0) return -1;
    int64_t at = d->root;
    while (at >= 0) at = d->branches[at].child[side_of(&d->branches[at], name, n)];
    return ~at;
}

static int64_t find(const dictionary *d, const char *name)
{
    const int64_t i = nearest(d, name, strlen(name));
    return i >= 0 && !strcmp(*name_at(d, i), name) ? i : -1;
}

/* Makes room for `more` entries. */
static bool reserve(const state_priv *s, dictionary *d, int64_t more)
{
    if (d->n + more <= d->room) return true;
    const int64_t room = tg__plus(d->n, tg__plus(more, d->n < 8 ? 8 : d->n));
    tg_context *tg = s->pub.context;
    void *entries = tg__alloc_at(tg, s->depth, tg__bytes(room, ENTRY));
    branch *branches = tg__alloc_at(tg, s->depth, tg__bytes(room, sizeof *branches));
    if (!entries || !branches) return false;
    if (d->n > 0) {
        memcpy(entries, d->entries, (size_t)d->n * ENTRY);
        memcpy(branches, d->branches, (size_t)d->n * sizeof *branches);
    }
    d->entries = entries;
    d->branches = branches;
    d->room = room;
    return true;
}

/* Adds an entry with a name that has no entry yet, and returns it. There must be room. The list
 * keeps the pointer to the name. */
static void *insert(dictionary *d, const char *name)
{
    const size_t n = strlen(name);
    const int64_t like = nearest(d, name, n), added = d->n++;
    int64_t *link = &d->root;
    *name_at(d, added) = name;
    if (like < 0) {
        *link = ~added;
        return d->entries;
    }
    branch new = {.byte = 0};
    const char *other = *name_at(d, like);
    while (other[new.byte] == name[new.byte]) new.byte++;
    unsigned bits = (unsigned char)other[new.byte] ^ (unsigned char)name[new.byte];
    while (bits & (bits - 1)) bits &= bits - 1;
    new.rest = (uint8_t)~bits;
    while (*link >= 0) {
        branch *b = &d->branches[*link];
        if (b->byte > new.byte || (b->byte == new.byte && b->rest > new.rest)) break;
        link = &b->child[side_of(b, name, n)];
    }
    const int side = side_of(&new, name, n);
    new.child[side] = ~added;
    new.child[!side] = *link;
    d->branches[added - 1] = new;
    *link = added - 1;
    return name_at(d, added);
}

/* Copies the members that the program reads. */
static void publish(state_priv *s)
{
    s->pub.n = s->tensors.n;
    s->pub.items = s->tensors.entries;
    s->pub.n_texts = s->texts.n;
    s->pub.texts = s->texts.entries;
}

/* ---- Names. */

/* The bytes of the UTF-8 character at p; 0 if there is none. The three bytes of a surrogate, and
 * those of a character that has a shorter form, are none. */
static int character_length(const unsigned char *p)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    const int n = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf8 ? 4 : 0;
    if (n < 2) return n;
    unsigned code = *p & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    return code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : n;
}

ptrdiff_t tg__utf8_length(const char *text, bool controls)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        const int n = character_length(p);
        const bool control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
        if (n == 0 || (control && !controls)) return -1;
        p += n;
    }
    return (const char *)p - text;
}

/* Whether a name may be added; `taken` says that it is in the list. */
static bool check_name(const tg_state *s, const char *op, const char *name, bool may_be_empty)
{
    if (!name) return tg__fail(s->context, TG_ERR_ARGUMENT, "%s: the name is NULL", op);
    if (!*name && !may_be_empty)
        return tg__fail(s->context, TG_ERR_ARGUMENT, "%s: the name is empty", op);
    return tg__utf8_length(name, false) >= 0 ||
           tg__fail(s->context, TG_ERR_ARGUMENT,
                    "%s: a name has bytes that are not UTF-8, or a control character", op);
}

static bool check_free(const tg_state *s, const char *op, const dictionary *d, const char *name)
{
    return find(d, name) < 0 ||
           tg__fail(s->context, TG_ERR_ARGUMENT, "%s: the name %s is taken", op, name);
}

/* The two texts joined, in the memory of the list. */
static char *join(const state_priv *s, const char *first, const char *then)
{
    const size_t n = strlen(first), size = n + strlen(then) + 1;
    char *text = tg__alloc_at(s->pub.context, s->depth, size);
    if (!text) return NULL;
    memcpy(text, first, n);
    memcpy(text + n, then, size - n);
    return text;
}

/* ---- The public functions. */

tg_state *tg_state_new(tg_context *tg)
{
    state_priv *s = tg && tg__ready(tg) ? tg__alloc(tg, sizeof *s) : NULL;
    if (!s) return NULL;
    *s = (state_priv){.pub.context = tg, .depth = tg->depth};
    return &s->pub;
}

/* Whether t may be added to the list. */
static bool check_tensor(const tg_state *s, const char *op, const char *name, tg_tensor *t)
{
    const char *refused = NULL;
    if (!t) refused = "is NULL";
    if (t && t->context != s->context) refused = "is of another context";
    if (!refused && tg__is_gone(t)) refused = "was released";
    if (!refused && priv(t)->depth > priv_state(s)->depth) refused = "dies before the list does";
    return !refused || tg__fail(s->context, t ? TG_ERR_CONTEXT : TG_ERR_ARGUMENT,
                                "%s: the tensor %s %s", op, name, refused);
}

int64_t tg__state_depth(const tg_state *s)
{
    return priv_state(s)->depth;
}

bool tg_state_add(tg_state *s, const char *name, tg_tensor *t)
{
    static const char op[] = "state_add";
    if (!s) return t ? tg__fail(t->context, TG_ERR_ARGUMENT, "%s: the list is NULL", op) : false;
    return tg__state_add(op, s, name, t);
}

bool tg__state_add(const char *op, tg_state *s, const char *name, tg_tensor *t)
{
    state_priv *p = priv_state(s);
    if (!tg__ready(s->context) || !check_name(s, op, name, false) ||
        !check_free(s, op, &p->tensors, name) || !check_tensor(s, op, name, t) ||
        !reserve(p, &p->tensors, 1))
        return false;
    const char *own = join(p, name, "");
    if (!own) return false;
    tg_named *added = insert(&p->tensors, own);
    added->tensor = t;
    publish(p);
    return true;
}

/* Makes room in `to` for all entries of `from`, and their names, with prefix before them. False if
 * a name is taken. */
static bool prepare_all(state_priv *s, dictionary *to, const dictionary *from, const char *prefix,
                        const char **names)
{
    for (int64_t i = 0; i < from->n; i++) {
        names[i] = join(s, prefix, *name_at(from, i));
        if (!names[i] || !check_free(&s->pub, "state_add_all", to, names[i])) return false;
    }
    return reserve(s, to, from->n);
}

bool tg_state_add_all(tg_state *s, const char *prefix, const tg_state *part)
{
    static const char op[] = "state_add_all";
    const tg_state *any = s ? s : part;
    if (!s || !part)
        return any ? tg__fail(any->context, TG_ERR_ARGUMENT, "%s: %s is NULL", op,
                              s ? "part" : "the list")
                   : false;
    state_priv *p = priv_state(s);
    const state_priv *from = priv_state(part);
    if (!tg__ready(s->context) || !check_name(s, op, prefix, true)) return false;
    for (int64_t i = 0; i < part->n; i++)
        if (!check_tensor(s, op, part->items[i].name, part->items[i].tensor)) return false;
    const int64_t n = part->n, n_texts = part->n_texts;
    const char **names = tg__alloc(s->context, tg__bytes(n + 2 * n_texts, sizeof *names));
    if (!names || !prepare_all(p, &p->tensors, &from->tensors, prefix, names) ||
        !prepare_all(p, &p->texts, &from->texts, prefix, names + n))
        return false;
    const char **values = names + n + n_texts;
    for (int64_t i = 0; i < n_texts; i++)
        if (!(values[i] = join(p, part->texts[i].value, ""))) return false;
    for (int64_t i = 0; i < n; i++) {
        tg_named *added = insert(&p->tensors, names[i]);
        added->tensor = part->items[i].tensor;
    }
    for (int64_t i = 0; i < n_texts; i++) {
        tg_text *added = insert(&p->texts, names[n + i]);
        added->value = values[i];
    }
    publish(p);
    return true;
}

tg_state *tg_state_part(const tg_state *s, const char *prefix)
{
    return s ? tg__state_part("state_part", s, prefix) : NULL;
}

tg_state *tg__state_part(const char *op, const tg_state *s, const char *prefix)
{
    if (!check_name(s, op, prefix, true)) return NULL;
    const size_t n = strlen(prefix);
    tg_state *part = tg_state_new(s->context);
    for (int64_t i = 0; part && i < s->n; i++) {
        const char *name = s->items[i].name;
        if (!strncmp(name, prefix, n) && name[n] &&
            !tg__state_add(op, part, name + n, s->items[i].tensor))
            return NULL;
    }
    for (int64_t i = 0; part && i < s->n_texts; i++) {
        const char *key = s->texts[i].key;
        if (!strncmp(key, prefix, n) && key[n] &&
            !tg_state_set_text(part, key + n, s->texts[i].value))
            return NULL;
    }
    return part;
}

int64_t tg__state_index(const tg_state *s, const char *name)
{
    return find(&priv_state(s)->tensors, name);
}

tg_tensor *tg_state_find(const tg_state *s, const char *name)
{
    const int64_t i = s && name ? tg__state_index(s, name) : -1;
    return i < 0 ? NULL : s->items[i].tensor;
}

tg_tensor *tg_state_get(const tg_state *s, const char *name)
{
    if (!s) return NULL;
    tg_tensor *t = tg_state_find(s, name);
    return t ? t
             : tg__fail(s->context, TG_ERR_ARGUMENT, "state_get: there is no tensor named %s",
                        name ? name : "NULL");
}

bool tg_state_set_text(tg_state *s, const char *key, const char *value)
{
    static const char op[] = "state_set_text";
    if (!s) return false;
    state_priv *p = priv_state(s);
    if (!tg__ready(s->context) || !check_name(s, op, key, false)) return false;
    if (!value || tg__utf8_length(value, true) < 0)
        return tg__fail(s->context, TG_ERR_ARGUMENT, "%s: the value of %s is %s", op, key,
                        value ? "not UTF-8" : "NULL");
    const int64_t i = find(&p->texts, key);
    const char *own = join(p, value, ""), *name = own && i < 0 ? join(p, key, "") : own;
    if (!name || !reserve(p, &p->texts, 1)) return false;
    tg_text *text = i < 0 ? insert(&p->texts, name) : (tg_text *)p->texts.entries + i;
    text->value = own;
    publish(p);
    return true;
}

const char *tg_state_text(const tg_state *s, const char *key)
{
    const int64_t i = s && key ? find(&priv_state(s)->texts, key) : -1;
    return i < 0 ? NULL : s->texts[i].value;
}

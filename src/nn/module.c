/* Modules: making one, registering its parts, finding them by name, and running forwards and
 * losses. */
#include "module.h"

#include <string.h>

bool tg_set_default_dtype(tg_context *tg, tg_dtype dtype)
{
    if (!tg) return false;
    if (!tg__is_float(dtype))
        return tg__fail(tg, TG_ERR_DTYPE, "set_default_dtype: %s is not a floating dtype",
                        tg_dtype_name(dtype));
    tg->default_dtype = dtype;
    return true;
}

char *tg__join_text(tg_module *m, const char *first, const char *then)
{
    const size_t n = strlen(first), size = n + strlen(then) + 1;
    char *text = tg__alloc_at(m->tg, m->depth, size);
    if (!text) return NULL;
    memcpy(text, first, n);
    return memcpy(text + n, then, size - n) ? text : NULL;
}

tg_module *tg__module_new(tg_context *tg, const char *name,
                          tg_tensor *(*forward)(tg_module *self, tg_tensor *x), size_t data_bytes)
{
    if (!tg || !tg__ready(tg)) return NULL;
    if (!name) return tg__fail(tg, TG_ERR_ARGUMENT, "module_new: the name is NULL");
    const size_t head = tg__round_up(sizeof(tg_module));
    char *memory = data_bytes < SIZE_MAX / 2 ? tg__alloc(tg, head + data_bytes) : NULL;
    if (!memory) return tg__fail(tg, TG_ERR_MEMORY, "module_new: no memory for %s", name);
    tg_module *m = memset(memory, 0, head + data_bytes);
    *m = (tg_module){.tg = tg, .depth = tg->depth, .forward = forward, .training = true};
    m->data = memory + head;
    m->end = &m->parts;
    m->data_bytes = m->pointers_end = data_bytes;
    m->named[PARAMETER].parts = m->named[BUFFER].parts = -1;
    m->name = tg__join_text(m, name, "");
    return m->name ? m : NULL;
}

tg_module *tg_module_new(tg_context *tg, const char *name,
                         tg_tensor *(*forward)(tg_module *self, tg_tensor *x), size_t data_bytes)
{
    tg_module *m = tg__module_new(tg, name, forward, data_bytes);
    if (m) m->is_foreign = true;
    return m;
}

void *tg_module_data(tg_module *module)
{
    return module ? module->data : NULL;
}

/* ---- Parts: parameters, buffers and child modules. */

/* The part whose name is the first n bytes of `name`; NULL if there is none. */
static part *find_named(const tg_module *m, const char *name, size_t n)
{
    part *p = m->parts;
    while (p && (strncmp(p->name, name, n) || p->name[n])) p = p->next;
    return p;
}

part *tg__find_part(const tg_module *m, part_kind kind, const char *path)
{
    for (;;) {
        const size_t n = strcspn(path, ".");
        part *p = find_named(m, path, n);
        if (!p || !path[n]) return p && p->kind == kind ? p : NULL;
        if (p->kind != CHILD) return NULL;
        m = p->child;
        path += n + 1;
    }
}

static part *find_or_fail(const tg_module *m, part_kind kind, const char *path)
{
    static const char *const calls[] = {"param", "buffer", "submodule"};
    static const char *const kinds[] = {"parameter", "buffer", "submodule"};
    if (!m) return NULL;
    part *p = path ? tg__find_part(m, kind, path) : NULL;
    return p ? p
             : tg__fail(m->tg, TG_ERR_ARGUMENT, "%s: %s has no %s named %s", calls[kind], m->name,
                        kinds[kind], path ? path : "NULL");
}

tg_tensor *tg_param(const tg_module *module, const char *name)
{
    const part *p = find_or_fail(module, PARAMETER, name);
    return p ? p->tensor : NULL;
}

tg_tensor *tg_buffer(const tg_module *module, const char *name)
{
    const part *p = find_or_fail(module, BUFFER, name);
    return p ? p->tensor : NULL;
}

tg_module *tg_submodule(const tg_module *module, const char *name)
{
    const part *p = find_or_fail(module, CHILD, name);
    return p ? p->child : NULL;
}

/* Adds a part under a name that has been checked. tg and depth are the context and the scope of its
 * tensor or module, which must live at least as long as m. */
static bool append_part(const char *op, tg_module *m, const part *p, const char *name,
                        const tg_context *tg, int64_t depth)
{
    const char *refused = NULL;
    if (tg != m->tg) refused = "it is of another context";
    if (!refused && depth > m->depth) refused = "its scope ends before that of the module";
    if (refused)
        return tg__fail(m->tg, TG_ERR_ARGUMENT, "%s: %s in %s: %s", op, name, m->name, refused);
    return tg__append_part(m, p, name);
}

bool tg__append_part(tg_module *m, const part *p, const char *name)
{
    part *added = tg__alloc_at(m->tg, m->depth, sizeof *p + strlen(name) + 1);
    if (!added) return false;
    *added = *p;
    memcpy(added->name, name, strlen(name) + 1);
    *m->end = added;
    m->end = &added->next;
    m->tg->parts++;
    if (p->child) p->child->is_part = true;
    return true;
}

static bool add_part(const char *op, tg_module *m, const part *p, const char *name,
                     const tg_context *tg, int64_t depth)
{
    const char *refused = NULL;
    if (!tg__ready(m->tg)) return false;
    if (!name) refused = "a part needs a name";
    if (!refused && !*name) refused = "the name is empty";
    if (!refused && strchr(name, '.'))
        refused = "the name has a dot, which separates names in a path";
    if (!refused && find_named(m, name, strlen(name))) refused = "the name is taken";
    if (refused)
        return tg__fail(m->tg, TG_ERR_ARGUMENT, "%s: %s in %s: %s", op, name ? name : "NULL",
                        m->name, refused);
    return append_part(op, m, p, name, tg, depth);
}

static tg_tensor *add_tensor(tg_module *m, const char *name, tg_tensor *t, part_kind kind)
{
    if (m && !t)
        return tg__fail(m->tg, TG_ERR_ARGUMENT, "register: %s in %s: the tensor is NULL",
                        name ? name : "NULL", m->name);
    if (!m || (t->context == m->tg && !tg__check_inputs("register", 1, &t))) return NULL;
    part p = {.kind = kind, .tensor = t};
    return add_part("register", m, &p, name, t->context, priv(t)->depth) ? t : NULL;
}

tg_tensor *tg_register_parameter(tg_module *module, const char *name, tg_tensor *t)
{
    const bool own = module && t && t->context == module->tg;
    if (own && (priv(t)->record || !tg__is_float(t->dtype)))
        return tg__fail(module->tg, tg__is_float(t->dtype) ? TG_ERR_ARGUMENT : TG_ERR_DTYPE,
                        "register: parameter %s, %s %s, is not a floating leaf",
                        name ? name : "NULL", tg_dtype_name(t->dtype), SHOW(t));
    const bool before = own && t->requires_grad;
    if (own && !tg_requires_grad_(t, true)) return NULL;
    if (add_tensor(module, name, t, PARAMETER)) return t;
    if (own) t->requires_grad = before;
    return NULL;
}

tg_tensor *tg_register_buffer(tg_module *module, const char *name, tg_tensor *t)
{
    return add_tensor(module, name, t, BUFFER);
}

static bool contains(const tg_module *m, const tg_module *other)
{
    bool found = m == other;
    for (const part *p = m->parts; p && !found; p = p->next)
        found = p->child && contains(p->child, other);
    return found;
}

static bool check_child(const char *op, const tg_module *m, const char *name,
                        const tg_module *child)
{
    if (!child)
        return tg__fail(m->tg, TG_ERR_ARGUMENT, "%s: %s in %s: the module is NULL", op,
                        name ? name : "NULL", m->name);
    return !((m->is_part || m == child) && contains(child, m)) ||
           tg__fail(m->tg, TG_ERR_ARGUMENT, "%s: %s in %s would contain itself", op, child->name,
                    m->name);
}

tg_module *tg_register_module(tg_module *module, const char *name, tg_module *child)
{
    if (!module || !check_child("register", module, name, child)) return NULL;
    part p = {.kind = CHILD, .child = child};
    return add_part("register", module, &p, name, child->tg, child->depth) ? child : NULL;
}

bool tg__add_numbered(const char *op, tg_module *m, int number, tg_module *child)
{
    char name[16];
    snprintf(name, sizeof name, "%d", number);
    part p = {.kind = CHILD, .child = child};
    return check_child(op, m, name, child) && tg__ready(m->tg) &&
           append_part(op, m, &p, name, child->tg, child->depth);
}

tg_tensor *tg__add_param(tg_module *m, const char *name, tg_shape shape)
{
    return tg_register_parameter(m, name, tg_empty(m->tg, m->tg->default_dtype, shape));
}

/* ---- The lists of all parameters and of all buffers in a tree of modules, which are cached. As
 * parts are never removed, a list is right as long as its tree has the same number of parts. The
 * tree need not be counted again as long as no module of the context has received a part. */

int tg__count_parts(const tg_module *m)
{
    int n = 0;
    for (const part *p = m->parts; p; p = p->next)
        n += p->kind == CHILD ? 1 + tg__count_parts(p->child) : 1;
    return n;
}

/* Appends the tensors of m and then those of its children to items, and their paths, which begin
 * with prefix, to the paths of root. MARK_LISTED keeps a tensor with several names from
 * being listed twice. */
static bool list_tensors(const tg_module *m, tg_module *root, part_kind kind, tg_tensor **items,
                         const char *prefix)
{
    named *cached = &root->named[kind];
    for (const part *p = m->parts; p; p = p->next) {
        if (p->kind != kind || priv(p->tensor)->mark & MARK_LISTED) continue;
        if (!(cached->paths[cached->list.n] = tg__join_text(root, prefix, p->name))) return false;
        priv(p->tensor)->mark |= MARK_LISTED;
        items[cached->list.n++] = p->tensor;
    }
    for (const part *p = m->parts; p; p = p->next) {
        if (p->kind != CHILD) continue;
        const char *path = tg__join_text(root, prefix, p->name);
        if (path) path = tg__join_text(root, path, ".");
        if (!path || !list_tensors(p->child, root, kind, items, path)) return false;
    }
    return true;
}

static tg_list make_list(tg_module *m, part_kind kind, int parts)
{
    named *cached = &m->named[kind];
    const size_t size = tg__bytes(parts, sizeof(void *));
    tg_tensor **items = tg__alloc_at(m->tg, m->depth, size);
    *cached = (named){.list = {0, items}, .paths = tg__alloc_at(m->tg, m->depth, size)};
    const bool done = items && cached->paths && list_tensors(m, m, kind, items, "");
    for (int i = 0; i < cached->list.n; i++) priv(items[i])->mark &= (uint8_t)~MARK_LISTED;
    cached->parts = done ? parts : -1;
    return done ? cached->list : tg__no_list;
}

static tg_list tensors_of(const tg_module *module, part_kind kind)
{
    if (!module) return tg__no_list;
    tg_module *m = (tg_module *)(uintptr_t)module;
    named *cached = &m->named[kind];
    if (cached->parts >= 0 && cached->seen == m->tg->parts) return cached->list;
    const int parts = tg__count_parts(m);
    const tg_list list = cached->parts == parts ? cached->list : make_list(m, kind, parts);
    cached->seen = m->tg->parts;
    return list;
}

static const char *path_of(const tg_module *module, part_kind kind, int i)
{
    return i >= 0 && i < tensors_of(module, kind).n ? module->named[kind].paths[i] : NULL;
}

tg_list tg_parameters(const tg_module *module)
{
    return tensors_of(module, PARAMETER);
}

tg_list tg_buffers(const tg_module *module)
{
    return tensors_of(module, BUFFER);
}

const char *tg_param_name(const tg_module *module, int i)
{
    return path_of(module, PARAMETER, i);
}

const char *tg_buffer_name(const tg_module *module, int i)
{
    return path_of(module, BUFFER, i);
}

/* ---- The path of the module that is running, which begins messages. */

/* Appends text to path, which has length n, as far as there is room; returns the new length. */
static size_t add_text(char *path, size_t size, size_t n, const char *text)
{
    snprintf(path + n, size - n, "%s", text);
    return n + strlen(path + n);
}

/* Appends the path from the module `from` to the module `to` in its tree; returns n if `to` is not
 * in the tree. */
static size_t add_path(char *path, size_t size, size_t n, const tg_module *from,
                       const tg_module *to)
{
    for (const part *p = from->parts; p; p = p->next) {
        if (p->kind != CHILD) continue;
        size_t end = add_text(path, size, n, n ? "." : "");
        end = add_text(path, size, end, p->name);
        if (p->child == to || add_path(path, size, end, p->child, to) > end)
            return n + strlen(path + n);
    }
    path[n] = 0;
    return n;
}

/* Writes the path from the outermost running module to the module of p, and returns the module at
 * its end. A module that is run by the forward of another one, but is not registered in it, has no
 * path: the path then ends at the module that runs it. */
static const tg_module *find_running(const module_call *p, char *path, size_t size)
{
    if (!p->outer) return p->module;
    const tg_module *around = find_running(p->outer, path, size);
    if (around != p->outer->module) return around;
    const size_t n = strlen(path);
    if (!p->name) return add_path(path, size, n, around, p->module) > n ? p->module : around;
    add_text(path, size, add_text(path, size, n, n ? "." : ""), p->name);
    return p->module;
}

static void write_path(const module_call *p, char *text, size_t size)
{
    const tg_module *m = find_running(p, text, size);
    const size_t n = strlen(text);
    if (n) snprintf(text + n, size - n, " (%s): ", m->name);
}

static void enter_module(module_call *p, const tg_module *m, const char *name)
{
    *p = (module_call){m->tg->running, m, name, NULL, write_path};
    m->tg->running = p;
}

static tg_tensor *leave_module(const module_call *p, tg_tensor *result)
{
    p->module->tg->running = p->outer;
    return result;
}

/* ---- Running forwards and losses. */

/* What messages call the module m that is running: "the module" if the path that begins the message
 * ends with its class, as in "1.0 (Conv2d): ", else its class. */
static const char *name_of_running(const tg_module *m)
{
    char path[TG_MESSAGE / 2] = "";
    return find_running(m->tg->running, path, sizeof path) == m && *path ? "the module" : m->name;
}

TG_INLINE tg_tensor *run_forward(tg_module *module, tg_tensor *x)
{
    tg_context *tg = module->tg;
    if (!module->forward)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        module->loss ? "forward: %s is a loss and takes two tensors; use tg_loss"
                                     : "forward: %s has no forward function",
                        name_of_running(module));
    if (!x)
        return tg__fail(tg, TG_ERR_ARGUMENT, "forward: the input of %s is NULL",
                        name_of_running(module));
    if (x->context != tg)
        return tg__fail(tg, TG_ERR_CONTEXT, "forward: %s and its input are of two contexts",
                        name_of_running(module));
    tg->foreign_forwards += module->is_foreign;
    tg_tensor *y = module->forward(module, x);
    if (tg->summary && y) tg->summary->note(tg->summary, module, y);
    return y ? y
             : tg__fail(tg, TG_ERR_ARGUMENT, "forward: %s returned NULL", name_of_running(module));
}

/* Clears the list of changes, which are undone first if the forward has failed. */
static TG_NOINLINE void undo_changes(undo *u, bool failed)
{
    for (state_change *c = u->changes; c; c = c->next) {
        c->listed = false;
        if (failed) c->put_back(c);
    }
}

/* Ends the outermost forward. If it has failed, its changes and its random draws are undone. */
TG_INLINE void finish_outermost(tg_context *tg, bool failed)
{
    undo *u = tg->undo;
    if (u->changes) undo_changes(u, failed);
    if (failed && u->drew) tg->random = u->random;
    tg->undo = NULL;
}

/* Runs a forward that is called by the program. If it fails, it has changed nothing: the modules
 * that it runs list their changes (tg__note_change), which are then undone. */
static tg_tensor *run_outermost(tg_module *module, tg_tensor *x)
{
    undo u;
    u.changes = NULL;
    u.drew = false;
    module->tg->undo = &u;
    tg_tensor *y = run_forward(module, x);
    finish_outermost(module->tg, !y);
    return y;
}

tg_tensor *tg__forward_and_undo(tg_module *module, tg_tensor *x)
{
    tg_context *tg = module->tg;
    undo u, *outer = tg->undo;
    u.changes = NULL;
    u.drew = false;
    tg->undo = &u;
    tg_tensor *y = tg__forward(module, NULL, x);
    finish_outermost(tg, true);
    tg->undo = outer;
    return y;
}

tg_tensor *tg__forward(tg_module *module, const char *name, tg_tensor *x)
{
    module_call here;
    enter_module(&here, module, name);
    return leave_module(&here,
                        module->tg->undo ? run_forward(module, x) : run_outermost(module, x));
}

void tg__note_change(tg_context *tg, state_change *c)
{
    c->listed = true;
    c->next = tg->undo->changes;
    tg->undo->changes = c;
}

tg_tensor *tg_forward(tg_module *module, tg_tensor *x)
{
    if (module) return tg__forward(module, NULL, x);
    return x ? tg__fail(x->context, TG_ERR_ARGUMENT, "forward: the module is NULL") : NULL;
}

static tg_tensor *run_loss(tg_module *loss, tg_tensor *input, tg_tensor *target)
{
    tg_context *tg = loss->tg;
    if (!loss->loss)
        return tg__fail(tg, TG_ERR_ARGUMENT, "loss: %s is not a loss; use tg_forward",
                        name_of_running(loss));
    if (!input || !target)
        return tg__fail(tg, TG_ERR_ARGUMENT, "loss: the %s of %s is NULL",
                        input ? "target" : "input", name_of_running(loss));
    if (input->context != tg)
        return tg__fail(tg, TG_ERR_CONTEXT, "loss: %s and its input are of two contexts",
                        name_of_running(loss));
    return loss->loss(loss, input, target);
}

tg_tensor *tg_loss(tg_module *loss, tg_tensor *input, tg_tensor *target)
{
    module_call here;
    if (!loss)
        return input ? tg__fail(input->context, TG_ERR_ARGUMENT, "loss: the module is NULL") : NULL;
    enter_module(&here, loss, NULL);
    return leave_module(&here, run_loss(loss, input, target));
}

/* The state of a module: its parameters and buffers, in PyTorch's order and under its names. */
#include "../state/exchange.h"
#include "module.h"

#include <string.h>

/* The path of a part, in memory of the current scope; NULL after an error. */
static char *join_path(tg_context *tg, const char *prefix, const char *name, const char *end)
{
    const size_t size = strlen(prefix) + strlen(name) + strlen(end) + 1;
    char *path = tg__alloc(tg, size);
    if (path) snprintf(path, size, "%s%s%s", prefix, name, end);
    return path;
}

/* A module has its own parameters first, then its own buffers, then the modules in it. */
static void walk_module(exchange *x, const tg_module *m, const char *prefix)
{
    static const part_kind order[] = {PARAMETER, BUFFER, CHILD};
    for (int i = 0; i < 3; i++)
        for (const part *p = m->parts; p; p = p->next) {
            if (p->kind != order[i]) continue;
            const char *path = join_path(m->tg, prefix, p->name, p->child ? "." : "");
            if (!path) return;
            if (p->child)
                walk_module(x, p->child, path);
            else
                tg__exchange_tensor(x, path, p->tensor);
        }
}

static void walk_tree(exchange *x, void *object)
{
    walk_module(x, object, "");
}

static tg_state *tell(const char *op, const tg_module *m)
{
    return tg__tell_state(m->tg, op, walk_tree, m);
}

tg_state *tg_state_dict(const tg_module *module)
{
    return module ? tell("state_dict", module) : NULL;
}

/* Copies the state to the tensors of the list that tg_state_dict makes of the module, and not by a
 * walk over the module: the walk takes memory for paths, and a walk that sets an object must take
 * none (exchange.h). */
bool tg_load_state_dict(tg_module *module, const tg_state *state, tg_strictness strictness)
{
    static const char op[] = "load_state_dict";
    if (!module)
        return state ? tg__fail(state->context, TG_ERR_ARGUMENT, "%s: the module is NULL", op)
                     : false;
    tg_scope_begin(module->tg);
    const bool done = tg__copy_state(op, tell(op, module), state,
                                     strictness == TG_STRICT ? TAKE_EXACTLY : TAKE_NONE);
    tg_scope_end(module->tg);
    return done;
}

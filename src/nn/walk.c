/* Walking through a tree of modules: its children, all its modules, and a function applied to each.
 * The lists are cached as those of tensors are, which module.c explains. */
#include "module.h"

static tg_module *const no_module_items[TG_READABLE];
static const tg_modules no_modules = {0, no_module_items};

/* Appends m to the list under that name, which is NULL if there was no memory for it. */
static bool add_module(tg_module *m, module_list *w, tg_module **items, const char *name)
{
    if (!name) return false;
    m->is_listed = true;
    w->names[w->list.n] = name;
    items[w->list.n++] = m;
    return true;
}

/* Lists the children of m, and theirs if `all`, each before its children and none twice. The names
 * are texts of root and begin with path, that of m. */
static bool list_children(const tg_module *m, tg_module *root, bool all, module_list *w,
                          tg_module **items, const char *path)
{
    for (const part *p = m->parts; p; p = p->next) {
        if (p->kind != CHILD || p->child->is_listed) continue;
        const char *name = *path ? tg__join_text(root, path, ".") : path;
        if (name) name = tg__join_text(root, name, p->name);
        if (!add_module(p->child, w, items, name)) return false;
        if (all && !list_children(p->child, root, all, w, items, name)) return false;
    }
    return true;
}

static bool make_walk(tg_module *m, bool all, module_list *w, int parts)
{
    const size_t size = tg__bytes(parts + 1, sizeof(void *));
    tg_module **items = tg__alloc_at(m->tg, m->depth, size);
    *w = (module_list){.list = {0, items}, .names = tg__alloc_at(m->tg, m->depth, size)};
    const bool done = items && w->names && (!all || add_module(m, w, items, "")) &&
                      list_children(m, m, all, w, items, "");
    for (int i = 0; i < w->list.n; i++) items[i]->is_listed = false;
    w->parts = done ? parts : -1;
    return done;
}

static tg_modules modules_in(const tg_module *module, bool all)
{
    if (!module) return no_modules;
    tg_module *m = (tg_module *)(uintptr_t)module;
    module_list *w = m->lists[all];
    if (!w) {
        w = m->lists[all] = tg__alloc_at(m->tg, m->depth, sizeof *w);
        if (!w) return no_modules;
        *w = (module_list){.parts = -1};
    }
    if (w->parts < 0 || w->seen != m->tg->parts) {
        const int parts = tg__count_parts(m);
        if (w->parts != parts && !make_walk(m, all, w, parts)) return no_modules;
        w->seen = m->tg->parts;
    }
    return w->list;
}

tg_modules tg_children(const tg_module *module)
{
    return modules_in(module, false);
}

tg_modules tg_all_modules(const tg_module *module)
{
    return modules_in(module, true);
}

const char *tg_child_name(const tg_module *module, int i)
{
    return i >= 0 && i < tg_children(module).n ? module->lists[false]->names[i] : NULL;
}

const char *tg_module_path(const tg_module *module, int i)
{
    return i >= 0 && i < tg_all_modules(module).n ? module->lists[true]->names[i] : NULL;
}

const char *tg_module_name(const tg_module *module)
{
    return module ? module->name : NULL;
}

tg_module *tg_module_apply(tg_module *module, void (*function)(tg_module *module, void *user),
                           void *user)
{
    if (!module) return NULL;
    if (!function)
        return tg__fail(module->tg, TG_ERR_ARGUMENT, "module_apply: the function is NULL");
    const tg_modules children = tg_children(module);
    if (!module->lists[false] || module->lists[false]->parts < 0) return NULL;
    for (int i = 0; i < children.n; i++)
        if (!tg_module_apply(children.items[i], function, user)) return NULL;
    function(module, user);
    return module;
}

/* The options of loading and saving files of tensors. */
#include "../context/context.h"

tg_load_options tg_load_defaults(void)
{
    return (tg_load_options){TG_LOAD_DEFAULTS};
}

tg_save_options tg_save_defaults(void)
{
    return (tg_save_options){TG_SAVE_DEFAULTS};
}

/* The operations of a module's forward, as export writes them down, and how each is written in C.
 *
 * A node is an operation whose result depends on the input of the network. All other tensors are
 * constants. Views are no nodes: a location says where the elements of a view lie in the result of
 * a node. */
#ifndef TG_NETWORK_H
#define TG_NETWORK_H

#include "../ops/op.h"

struct node;
struct program;

/* Where an operand lies: in the result of a node, or in a constant. */
typedef struct location {
    struct node *node; /* NULL: a constant */
    const void *data;  /* the elements of a constant; else NULL */
    bool copied;       /* they were copied, with zeros in the gaps between them */
    tg_dtype dtype;
    int ndim;
    int64_t offset; /* of the first element; as the strides, it counts elements */
    int64_t shape[TG_MAX_DIMS], strides[TG_MAX_DIMS];
} location;

/* How an operation is written in C. An elementwise one has a text, in which x or a, b, c and d
 * stand for the operands and s and t for attributes; another one has a function. */
typedef struct c_form {
    const char *name; /* of the operation; that of "add" serves add_, add_scalar and add_scalar_ */
    const char *text;
    void (*write)(struct program *g, struct node *n);
    /* NULL if every call can be written; else returns why the given one cannot be, or NULL. */
    const char *(*refuse)(const call *c);
} c_form;

/* Elements in the memory in which the program works. */
typedef struct buffer {
    struct buffer *next;
    int64_t size, at;
    int first, last; /* the steps of the program between which it is needed */
} buffer;

typedef struct node {
    struct node *next, *before;
    int number;          /* greater than those of its operands; that of the input is 0 */
    const char *op;      /* the name of the operation */
    const char *path;    /* of the module that called it, as in "2 (Linear): "; or "" */
    const c_form *form;  /* NULL: none, for the input or a refused operation */
    const char *refusal; /* why the operation cannot be written; NULL: it can */
    attr a[TG_ATTRS];
    int ndim;
    int64_t shape[TG_MAX_DIMS], numel;
    int last_use;   /* the number of the last node that reads the result; INT_MAX: the output does;
                       0: none */
    buffer *buffer; /* of the result; NULL for the input, for the output, and for a value that only
                       the loop reads which makes it */
    bool shares;    /* the buffer is that of an operand, which the loop reads for the last time */
    int n;
    location in[];
} node;

typedef struct network {
    node *first, *last; /* first: the input */
    location output;
} network;

/* Runs the forward and writes down the operations that its output needs. They live until the
 * current scope ends. False, with the error recorded, if the forward fails or one of the operations
 * cannot be written. */
bool tg__capture(tg_module *module, const tg_tensor *input, network *out);
/* Whether two runs of a forward did the same with the same constants. */
bool tg__same_network(const network *a, const network *b);

/* The form of the operation of that name, or NULL. */
const c_form *tg__c_form(const char *op);
/* The text of the function NAME_`name` that programs may use, in which NAME stands for the name of
 * the program; NULL if there is none. *number, from 0 on, becomes its place in the order of
 * definition. */
const char *tg__helper(const char *name, size_t length, int *number);
/* The text of a helper by its number, or NULL beyond the last. */
const char *tg__helper_text(int number);

/* Writes the program. False, with the error recorded, if there is no memory. */
bool tg__generate(tg_context *tg, network *net, const char *name, FILE *file);

#endif

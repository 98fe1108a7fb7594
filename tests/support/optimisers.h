/* The list of all optimisers, which every test that calls all of them uses. test_optim.c fails if
 * tinygrad/optim.h declares one that is not here. */
#ifndef TEST_OPTIMISERS_H
#define TEST_OPTIMISERS_H

/* Those that have groups, and all: OP(name) for each. */
#define EACH_OPTIMISER_WITH_GROUPS(OP) OP(sgd) OP(adam) OP(adamw) OP(rmsprop) OP(adagrad)
#define EACH_OPTIMISER(OP)             EACH_OPTIMISER_WITH_GROUPS(OP) OP(lbfgs)

#endif

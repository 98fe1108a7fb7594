/* The minimum of the quantile loss, which is linear but for its corners: a vertex, where as many
 * rows as there are coefficients have the residual 0. The simplex method goes from vertex to vertex
 * along edges, each to its lowest point (Barrodale and Roberts, SIAM J. Numer. Anal. 10, 1973;
 * Koenker and d'Orey, Applied Statistics 36, 1987). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "minimum.h"

/* The most edges, for each row and coefficient; some for each coefficient are usual. */
#define EDGES 20

/* At the vertex of a basis: p rows of a, whose residuals are 0. An edge leaves it where one of
 * these residuals grows, or falls, and the others stay 0. */
typedef struct simplex {
    int64_t n, p;
    double p_below;         /* the probability of the quantile */
    const double *a, *w;    /* (n, p) and (n): the columns, and a factor of each row's loss */
    const double *y;        /* (n) */
    double *r, *change;     /* (n): the residuals, and how fast they fall along an edge */
    double *ratio;          /* (n): how far along the edge a residual becomes 0 */
    int64_t *basis, *order; /* (p) rows, and (n) of work space */
    bool *in_basis;         /* (n) */
    double *inverse, *work; /* (p, p): of the rows of the basis, and their copy */
    double *b, *dual;       /* (p): the coefficients; see find_dual */
    double *column;         /* (p): the direction of an edge, or work space */
    double *sizes;          /* (p): sums of the absolute values in the columns of w a */
} simplex;

static double dot(int64_t n, const double *x, const double *y)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

/* ---- The vertex. */

/* Subtracts row `from` of both matrices from the others, until column `from` of the first one is
 * that of the identity. */
static void eliminate(double *m, double *inverse, int64_t p, int64_t from)
{
    const double pivot = m[from * p + from];
    for (int64_t k = 0; k < p; k++) m[from * p + k] /= pivot, inverse[from * p + k] /= pivot;
    for (int64_t i = 0; i < p; i++) {
        const double factor = m[i * p + from];
        if (i == from || factor == 0) continue;
        for (int64_t k = 0; k < p; k++) {
            m[i * p + k] -= factor * m[from * p + k];
            inverse[i * p + k] -= factor * inverse[from * p + k];
        }
    }
}

static void swap_rows(double *m, int64_t p, int64_t i, int64_t k)
{
    for (int64_t c = 0; c < p; c++) {
        const double old = m[i * p + c];
        m[i * p + c] = m[k * p + c];
        m[k * p + c] = old;
    }
}

/* Inverts the rows of the basis by Gauss and Jordan, with partial pivoting. */
static bool invert_basis(simplex *s)
{
    const int64_t p = s->p;
    memset(s->inverse, 0, (size_t)(p * p) * sizeof(double));
    for (int64_t l = 0; l < p; l++) {
        memcpy(s->work + l * p, s->a + s->basis[l] * p, (size_t)p * sizeof(double));
        s->inverse[l * p + l] = 1;
    }
    for (int64_t c = 0; c < p; c++) {
        int64_t top = c;
        for (int64_t i = c + 1; i < p; i++)
            if (fabs(s->work[i * p + c]) > fabs(s->work[top * p + c])) top = i;
        if (!(fabs(s->work[top * p + c]) > 1e-13)) return false;
        swap_rows(s->work, p, c, top);
        swap_rows(s->inverse, p, c, top);
        eliminate(s->work, s->inverse, p, c);
    }
    return true;
}

/* Moves to the vertex of the basis, for these values of y. */
static bool go_to_vertex(simplex *s, const double *y)
{
    if (!invert_basis(s)) return false;
    for (int64_t j = 0; j < s->p; j++) {
        s->b[j] = 0;
        for (int64_t l = 0; l < s->p; l++) s->b[j] += s->inverse[j * s->p + l] * y[s->basis[l]];
    }
    for (int64_t i = 0; i < s->n; i++)
        s->r[i] = s->in_basis[i] ? 0 : y[i] - dot(s->p, s->a + i * s->p, s->b);
    return true;
}

/* Sets dual: how fast the loss of the rows outside of the basis falls as each residual of the basis
 * falls. A row above the line adds p_below for each unit, and one below it p_below - 1. */
static void find_dual(simplex *s)
{
    const int64_t p = s->p;
    memset(s->column, 0, (size_t)p * sizeof(double));
    for (int64_t i = 0; i < s->n; i++) {
        if (s->in_basis[i]) continue;
        const double slope = s->w[i] * (s->r[i] >= 0 ? s->p_below : s->p_below - 1);
        for (int64_t j = 0; j < p; j++) s->column[j] += slope * s->a[i * p + j];
    }
    for (int64_t l = 0; l < p; l++) {
        s->dual[l] = 0;
        for (int64_t j = 0; j < p; j++) s->dual[l] += s->inverse[j * p + l] * s->column[j];
    }
}

/* The slope of the loss along the edge on which residual l of the basis falls (sign 1) or grows
 * (-1): that of its own row, and that of the others. */
static double slope_of(const simplex *s, int64_t l, int sign)
{
    const double w = s->w[s->basis[l]];
    return sign > 0 ? w * (1 - s->p_below) - s->dual[l] : w * s->p_below + s->dual[l];
}

/* A slope that is no more than the rounding of its terms. */
static double noise_of(const simplex *s, int64_t l)
{
    double sum = 0;
    for (int64_t j = 0; j < s->p; j++) sum += fabs(s->inverse[j * s->p + l]) * s->sizes[j];
    return 1e-13 * sum;
}

/* Whether an edge may lead down unseen: its slope is within a noise that is not small against the
 * weight of its own row, which is what slopes are made of. Rows that almost depend on each other
 * have such noise. */
static bool is_blurred(const simplex *s)
{
    for (int64_t l = 0; l < s->p; l++) {
        const double noise = noise_of(s, l), least = fmin(slope_of(s, l, -1), slope_of(s, l, 1));
        if (least <= noise && noise > 1e-4 * s->w[s->basis[l]]) return true;
    }
    return false;
}

/* ---- The edge. */

/* The steepest edge that leads down: its slope, 0 if none does. */
static double choose_edge(const simplex *s, int64_t *leaving, int *sign)
{
    double best = 0, slope = 0;
    for (int64_t l = 0; l < s->p; l++) {
        double squares = 0;
        for (int64_t j = 0; j < s->p; j++)
            squares += s->inverse[j * s->p + l] * s->inverse[j * s->p + l];
        for (int to = -1; to <= 1; to += 2) {
            const double down = slope_of(s, l, to), steep = down / sqrt(squares);
            if (!(down < -noise_of(s, l) && steep < best)) continue;
            best = steep;
            slope = down;
            *leaving = l;
            *sign = to;
        }
    }
    return slope;
}

static void set_direction(simplex *s, int64_t leaving, int sign)
{
    for (int64_t j = 0; j < s->p; j++) s->column[j] = sign * s->inverse[j * s->p + leaving];
    for (int64_t i = 0; i < s->n; i++) s->change[i] = dot(s->p, s->a + i * s->p, s->column);
}

/* Lists the rows whose residual becomes 0 on the edge. Returns how many they are. */
static int64_t find_crossings(simplex *s)
{
    int64_t count = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const bool crosses = s->r[i] >= 0 ? s->change[i] > 0 : s->change[i] < 0;
        if (s->in_basis[i] || !crosses || s->w[i] <= 0) continue;
        s->ratio[i] = s->r[i] / s->change[i];
        s->order[count++] = i;
    }
    return count;
}

/* Puts rows with a ratio less than that of the middle row first, and those with a greater one last.
 * Returns the ends of both parts, and adds up how much the slope rises in the first and the second
 * one. */
static void partition(simplex *s, int64_t *rows, int64_t n, int64_t end[2], double rise[2])
{
    const double middle = s->ratio[rows[n / 2]];
    int64_t less = 0, at = 0, more = n;
    rise[0] = rise[1] = 0;
    while (at < more) {
        const int64_t row = rows[at];
        const double weight = s->w[row] * fabs(s->change[row]);
        if (s->ratio[row] < middle) {
            rows[at++] = rows[less];
            rows[less++] = row;
            rise[0] += weight;
        } else if (s->ratio[row] > middle) {
            rows[at] = rows[--more];
            rows[more] = row;
        } else {
            at++;
            rise[1] += weight;
        }
    }
    end[0] = less;
    end[1] = more;
}

/* The row at whose crossing the slope, which begins below 0, is not below it any longer; -1 if
 * there is none. A part of the rows may add up to the last bit less than before, when they stood in
 * another order: the row is then the first one after this part. */
static int64_t find_lowest(simplex *s, double slope)
{
    int64_t *rows = s->order, n = find_crossings(s), after = -1;
    while (n > 0) {
        int64_t end[2];
        double rise[2];
        partition(s, rows, n, end, rise);
        if (slope + rise[0] >= 0) {
            after = rows[end[0]];
            n = end[0];
        } else if (slope + rise[0] + rise[1] >= 0) {
            return rows[end[0]];
        } else {
            slope += rise[0] + rise[1];
            rows += end[1];
            n -= end[1];
        }
    }
    return after;
}

/* Goes from vertex to vertex until no edge leads down. Returns the number of edges, or -1 if that
 * did not come to an end. */
static int64_t follow_edges(simplex *s, const double *y)
{
    for (int64_t edges = 0; edges < EDGES * (s->n + s->p); edges++) {
        int64_t leaving = 0;
        int sign = 0;
        if (!go_to_vertex(s, y)) return -1;
        find_dual(s);
        const double slope = choose_edge(s, &leaving, &sign);
        if (slope == 0) return edges;
        set_direction(s, leaving, sign);
        const int64_t entering = find_lowest(s, slope);
        if (entering < 0) return -1;
        s->in_basis[s->basis[leaving]] = false;
        s->in_basis[entering] = true;
        s->basis[leaving] = entering;
    }
    return -1;
}

/* ---- The first vertex, and the last. */

/* The part of row i of a that no row of the basis so far, which work holds as orthonormal rows, can
 * make. Returns its length as a share of the row's. */
static double rest_of(simplex *s, int64_t i, int64_t found, double *rest)
{
    const int64_t p = s->p;
    memcpy(rest, s->a + i * p, (size_t)p * sizeof(double));
    const double whole = sqrt(dot(p, rest, rest));
    for (int64_t l = 0; l < found; l++) {
        const double share = dot(p, rest, s->work + l * p);
        for (int64_t j = 0; j < p; j++) rest[j] -= share * s->work[l * p + j];
    }
    return whole > 0 ? sqrt(dot(p, rest, rest)) / whole : 0;
}

/* Takes independent rows into the basis, those with small residuals first: order has them. Rows
 * that almost depend on others are taken only if no others are left. */
static bool choose_basis(simplex *s)
{
    int64_t found = 0;
    for (double share = 0.1; found < s->p && share > 1e-13; share /= 100)
        for (int64_t k = 0; k < s->n && found < s->p; k++) {
            const int64_t i = s->order[k];
            double *rest = s->work + found * s->p;
            if (s->in_basis[i] || s->w[i] <= 0 || rest_of(s, i, found, rest) < share) continue;
            const double length = sqrt(dot(s->p, rest, rest));
            for (int64_t j = 0; j < s->p; j++) rest[j] /= length;
            s->in_basis[i] = true;
            s->basis[found++] = i;
        }
    return found == s->p;
}

/* A number in [0, 1) for each row, by SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). */
static double scattered(int64_t i)
{
    uint64_t z = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.;
}

/* Whether the vertex of the basis is a minimum for y itself, where the sides of the rows are those
 * for a y that was moved a little: no residual lies on the other side by more than rounding. */
static bool is_minimum(simplex *s)
{
    memcpy(s->change, s->r, (size_t)s->n * sizeof(double));
    if (!go_to_vertex(s, s->y)) return false;
    for (int64_t i = 0; i < s->n; i++) {
        double size = fabs(s->y[i]);
        for (int64_t j = 0; j < s->p; j++) size += fabs(s->a[i * s->p + j] * s->b[j]);
        const bool same = s->change[i] >= 0 ? s->r[i] >= 0 : s->r[i] <= 0;
        if (!same && s->w[i] > 0 && fabs(s->r[i]) > 64 * DBL_EPSILON * size) return false;
    }
    return true;
}

/* Ties, which data of few digits have, would let the method walk in circles: y is moved by a little
 * that differs from row to row, so that there are none. The basis found is then also that of y,
 * unless it was moved too far. */
static bool solve_with_scatter(simplex *s, double *moved, double spread, minimum *m)
{
    for (double share = 1e-10; share > 1e-14; share /= 30) {
        for (int64_t i = 0; i < s->n; i++) moved[i] = s->y[i] + share * spread * scattered(i);
        const int64_t edges = follow_edges(s, moved);
        if (edges < 0) return false;
        m->steps += edges;
        if (is_minimum(s)) return true;
    }
    return false;
}

/* Whether an edge of the minimum is level, and ends at another minimum. */
static bool is_flat(simplex *s, double spread)
{
    for (int64_t l = 0; l < s->p; l++)
        for (int sign = -1; sign <= 1; sign += 2) {
            if (slope_of(s, l, sign) > noise_of(s, l)) continue;
            set_direction(s, l, sign);
            double length = INFINITY;
            const int64_t n = find_crossings(s);
            for (int64_t k = 0; k < n; k++) length = fmin(length, s->ratio[s->order[k]]);
            if (length > 1e-12 * spread) return true;
        }
    return false;
}

/* ---- Memory and the fit. */

static void *room(tg_context *tg, tg_dtype dtype, int64_t n)
{
    tg_tensor *t = tg_zeros(tg, dtype, TG_SHAPE(n));
    return t ? t->data : NULL;
}

static bool make_simplex(const design *z, tg_tensor *y, double p_below, simplex *s)
{
    tg_context *tg = z->a->context;
    const int64_t n = z->a->shape[0], p = z->a->shape[1];
    *s = (simplex){.n = n, .p = p, .p_below = p_below, .a = tg_data_f64(z->a)};
    s->y = tg_data_f64(tg_contiguous(y));
    s->w = tg_data_f64(tg_contiguous(z->weights));
    double **rows[] = {&s->r, &s->change, &s->ratio}, **few[] = {&s->b, &s->dual, &s->column};
    for (int i = 0; i < 3; i++) *rows[i] = room(tg, TG_F64, n);
    for (int i = 0; i < 3; i++) *few[i] = room(tg, TG_F64, p);
    s->inverse = room(tg, TG_F64, p * p);
    s->work = room(tg, TG_F64, p * p);
    s->basis = room(tg, TG_I64, p);
    s->order = room(tg, TG_I64, n);
    s->in_basis = room(tg, TG_BOOL, n);
    tg_tensor *sizes = tg_sum_dims(tg_abs(tg_mul(z->a, z->weights)), TG_DIMS(0), false);
    s->sizes = sizes ? tg_contiguous(sizes)->data : NULL;
    return tg_ok(tg);
}

/* Sorts the rows by their distance from the least-squares line, after this is shifted to the
 * quantile of its residuals. */
static bool sort_rows(simplex *s, const design *z, tg_tensor *y)
{
    tg_tensor *r = tg_sub(y, tg_matmul(z->a, tg_lstsq(z->a, y)));
    if (z->intercept) {
        const int64_t at = (int64_t)(s->p_below * (double)(s->n - 1));
        r = tg_sub_scalar(r, tg_get(tg_sort(r, 0), TG_INDEX(at, 0)));
    }
    tg_tensor *order = tg_contiguous(tg_argsort(tg_abs(r), 0));
    if (order) memcpy(s->order, order->data, (size_t)s->n * sizeof *s->order);
    return order != NULL;
}

/* Solves for the coefficients once more, with refinement, and bounds their rounding errors. */
static void set_vertex(simplex *s, const design *z, tg_tensor *y, minimum *m)
{
    tg_tensor *rows = tg_from_i64(y->context, TG_SHAPE(s->p), s->basis);
    tg_tensor *a = tg_index_select(z->a, 0, rows), *at = tg_index_select(y, 0, rows);
    tg_tensor *b = tg_lstsq(a, at);
    set_coefficients(z, b, m);
    tg_tensor *sizes = tg_add(tg_abs(at), tg_matmul(tg_abs(a), tg_abs(b)));
    tg_tensor *inverse = tg_from_f64(y->context, TG_SHAPE(s->p, s->p), s->inverse);
    tg_tensor *errors = tg_matmul(tg_abs(inverse), tg_mul_scalar(sizes, 2 * DBL_EPSILON));
    m->misses = tg_flatten(tg_matmul(tg_abs(to_coefficients(z)), errors), 0, -1);
}

bool minimise_quantile(const loss *l, const sample *rows, bool intercept, minimum *m)
{
    design z;
    simplex s;
    *m = (minimum){.ending = MINIMUM_MISSED};
    if (!make_design(rows, intercept, &z)) return false;
    if (!make_simplex(&z, rows->y, l->number, &s) || !sort_rows(&s, &z, rows->y)) return false;
    tg_tensor *moved = tg_zeros_like(rows->y);
    const double spread = tg_item(tg_std(rows->y, 0));
    if (!tg_ok(z.a->context)) return false;
    if (choose_basis(&s) && solve_with_scatter(&s, moved->data, spread, m) && !is_blurred(&s))
        m->ending = is_flat(&s, spread) ? MINIMUM_FLAT : MINIMUM_FOUND;
    set_vertex(&s, &z, rows->y, m);
    tg_tensor *each = loss_of_rows(l, line_predict(&m->line, rows->x), rows->y);
    m->loss = tg_item(tg_sum(tg_mul(each, z.weights)));
    return tg_ok(z.a->context);
}

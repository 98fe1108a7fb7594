# What the examples find, in R: Rscript examples.R > examples_golden.txt (in this folder; needs r-cran-quantreg).
#
# For each line that an example prints: the program, the text before the numbers, and the numbers. The examples
# print most of them twice: what they found, and beside it what the closed form, R or NIST gives.

suppressMessages(library(quantreg))

show <- function(program, text, ...)
  cat(sprintf("%s|%s|%s\n", program, text, paste(sprintf("%.10g", c(...)), collapse = " ")))
twice <- function(program, texts, values)
  for (i in seq_along(texts)) show(program, texts[i], values[i], values[i])

d <- read.csv("../../examples/data/diabetes.csv")

# The first 342 rows are fitted; above is 1 for a progression above the median of all rows.
first <- 1:342
above <- as.numeric(d$progression > sort(d$progression)[222])
x <- as.data.frame(scale(d[first, 1:10]))
x_new <- as.data.frame(scale(d[-first, 1:10], colMeans(d[first, 1:10]), apply(d[first, 1:10], 2, sd)))
logistic <- glm(above[first] ~ ., binomial, x, control = glm.control(epsilon = 1e-15, maxit = 100))
twice("logistic_regression", names(x), coef(logistic)[-1])
show("logistic_regression", "accuracy:", mean((predict(logistic) > 0) == above[first]),
     mean((predict(logistic, x_new) > 0) == above[-first]))

z <- as.numeric(scale(d$bmi))
for (share in c(0.1, 0.5, 0.9)) {
  line <- coef(rq(d$progression ~ z, share))
  show("own_op", sprintf("share %.2f", share), line, line)
}

twice("polynomial", sprintf("z^%d", 0:3), coef(lm(d$progression ~ z + I(z^2) + I(z^3))))

linear <- coef(lm(d$progression ~ ., as.data.frame(scale(d[1:10]))))
twice("lbfgs", c("intercept", names(linear)[-1]), linear)

curve <- deriv(~ b1 / (1 + exp(b2 - b3 * x)), c("b1", "b2", "b3"), function(x, b1, b2, b3) NULL)
growth <- nls(yield ~ curve(time, b1, b2, b3), read.csv("../../examples/data/rat42.csv"),
              list(b1 = 75, b2 = 2.5, b3 = 0.07), control = nls.control(tol = 1e-9))
found <- coef(summary(growth))
for (name in rownames(found)) show("curve_fit", name, found[name, 1:2], found[name, 1:2])
show("curve_fit", "residual standard deviation", sigma(growth))

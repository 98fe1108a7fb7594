# Linear models of R: Rscript least_squares.R > least_squares_golden.txt
#
# For each a line "set NAME rows columns", a line for each row with its weight, its response and the columns of the
# design matrix, and then lines with the coefficients and standard errors (NA for a column that lm drops), the
# covariance matrix of the others, the leverages, the residuals, and the residual variance, its degrees of freedom and
# the rank.

numbers <- function(x) cat(format(as.vector(x), digits = 17, scientific = TRUE, trim = TRUE), "\n")

show <- function(name, y, x, w = rep(1, length(y))) {
  cat("set", name, nrow(x), ncol(x), "\n")
  for (i in seq_along(y)) numbers(c(w[i], y[i], x[i, ]))
  fit <- lm(y ~ 0 + x, weights = w)
  s <- summary(fit)
  errors <- rep(NA, ncol(x))
  errors[!is.na(coef(fit))] <- s$coefficients[, 2]
  numbers(coef(fit))
  numbers(errors)
  numbers(s$cov.unscaled * s$sigma^2)
  h <- rep(0, length(y))
  h[w > 0] <- lm.influence(fit)$hat
  numbers(h)
  numbers(resid(fit))
  numbers(c(s$sigma^2, fit$df.residual, fit$rank))
}

design <- function(data) cbind(1, as.matrix(data))

show("cars", cars$dist, design(cars["speed"]))
show("cars_weighted", cars$dist, design(cars["speed"]), 1 / cars$speed)
show("longley", longley$Employed, design(longley[1:6]))
show("stackloss", stackloss$stack.loss, design(stackloss[1:3]))
show("mtcars", mtcars$mpg, design(mtcars[c("wt", "hp", "qsec")]))
show("mtcars_weighted", mtcars$mpg, design(mtcars[c("wt", "hp", "qsec")]), mtcars$cyl - 4)
show("swiss", swiss$Fertility, design(swiss[2:6]))
show("women", women$weight, cbind(1, women$height, women$height^2))
show("trees_dependent", trees$Volume, cbind(1, trees$Girth, 2 * trees$Girth + 3, trees$Height, trees$Height - 1))
show("no_intercept", faithful$eruptions, as.matrix(faithful["waiting"]))

# Fits by other losses than squared error: Rscript losses_of_regress.R > losses_of_regress_golden.txt
#
# It needs the packages MASS and quantreg. For each data set a line "set NAME", the data as CSV lines from a line of
# names to "end", and then for each fit a line "run OPTIONS" with the options of regress, a line "coefficient NAME
# estimate standard-error z p lower upper" or, where regress gives no standard errors, "coefficient NAME estimate" for
# each coefficient, and lines "value PHRASE number" for numbers that follow a phrase in the report.

suppressMessages({library(MASS); library(quantreg)})

digits <- function(x) paste(format(x, digits = 15, scientific = TRUE, trim = TRUE), collapse = " ")

show_set <- function(name, data) {
  names(data) <- gsub("[^A-Za-z0-9]", "_", names(data))
  cat("set", name, "\n")
  write.table(format(data, digits = 15, trim = TRUE), quote = FALSE, sep = ",", row.names = FALSE)
  cat("end\n")
}

coefficients_of <- function(names, table) {
  names <- sub("(Intercept)", "intercept", names, fixed = TRUE)
  for (i in seq_along(names)) cat("coefficient", names[i], digits(as.matrix(table)[i, ]), "\n")
}

value <- function(phrase, x) cat("value ", phrase, "|", digits(x), "\n", sep = "")

# A run of regress on the data of the last set.
run <- function(target, features, ...)
  cat("run", "--target", target, "--features", paste(features, collapse = ","), ..., "\n")

# glm, iterated until nothing changes, and once more from there: its standard errors are those of the coefficients before
# the last step. The intervals are those of confint.default, from the normal distribution.
exactly <- glm.control(epsilon = 1e-15, maxit = 100)
show_glm <- function(data, target, features, family, loss, weights = NULL, intercept = TRUE) {
  data$.w <- if (is.null(weights)) rep(1, nrow(data)) else data[[weights]]
  again <- function(start) suppressWarnings(
    glm(reformulate(features, target, intercept), family, data, weights = .w, control = exactly, start = start))
  fit <- again(coef(again(coef(again(NULL)))))
  run(target, features, "--loss", loss, if (!is.null(weights)) paste("--weights", weights),
      if (!intercept) "--no-intercept")
  s <- summary(fit)
  coefficients_of(rownames(s$coefficients), cbind(s$coefficients, confint.default(fit)))
  value("residual deviance", fit$deviance)
  value("null deviance", fit$null.deviance)
  value("log-likelihood", as.numeric(logLik(fit)))
  value("AIC", AIC(fit))
}

# The minimum of the sum of the rows' losses + l2 / 2 |b|^2, with b on the standardised features, by Newton's method
# from the slope and the curvature of a row's loss by its prediction.
minimum <- function(data, target, features, slope, curvature, l2) {
  x <- as.matrix(data[features])
  center <- colMeans(x)
  scale <- sqrt(colMeans(sweep(x, 2, center)^2))
  z <- cbind(1, sweep(sweep(x, 2, center), 2, scale, "/"))
  y <- data[[target]]
  penalty <- diag(c(0, rep(l2, length(features))))
  b <- rep(0, ncol(z))
  for (i in 1:60) {
    eta <- drop(z %*% b)
    h <- crossprod(z, z * curvature(y, eta)) + penalty
    step <- solve(h, crossprod(z, slope(y, eta)) + penalty %*% b)
    b <- b - drop(step) * (if (i < 20) 0.5 else 1)
  }
  stopifnot(max(abs(step)) <= 1e-12 * max(abs(b)))
  c("(Intercept)" = b[[1]] - sum(b[-1] / scale * center), b[-1] / scale)
}

logistic_slope <- function(y, eta) plogis(eta) - y
logistic_curvature <- function(y, eta) plogis(eta) * plogis(-eta)
poisson_slope <- function(y, eta) exp(eta) - y
poisson_curvature <- function(y, eta) exp(eta)

show_minimum <- function(data, target, features, loss, slope, curvature, l2) {
  b <- minimum(data, target, features, slope, curvature, l2)
  run(target, features, "--loss", loss, "--l2", l2)
  coefficients_of(c("(Intercept)", features), b)
}

# The minimum of Huber's loss: reweighted least squares tells which rows lie within delta, and the equations of the
# minimum, linear once these rows are known, are then solved.
show_huber <- function(data, target, features, delta) {
  x <- cbind(1, as.matrix(data[features]))
  y <- data[[target]]
  b <- lm.fit(x, y)$coefficients
  for (i in 1:20000) {
    r <- drop(y - x %*% b)
    b <- lm.wfit(x, y, pmin(1, delta / abs(r)))$coefficients
  }
  r <- drop(y - x %*% b)
  near <- abs(r) <= delta
  b <- drop(solve(crossprod(x[near, ]), crossprod(x[near, ], y[near]) + delta * colSums(x[!near, ] * sign(r[!near]))))
  s <- drop(y - x %*% b)
  stopifnot(all((abs(s) <= delta) == near), all(sign(s[!near]) == sign(r[!near])))
  run(target, features, paste0("--loss huber:", delta))
  coefficients_of(c("(Intercept)", features), b)
}

# MASS's ridge: half the squared error, and the same penalty.
show_ridge <- function(data, target, features, l2, intercept = TRUE) {
  b <- coef(lm.ridge(reformulate(features, target, intercept), data, lambda = l2))
  run(target, features, "--loss mse --l2", l2, if (!intercept) "--no-intercept")
  coefficients_of(c(if (intercept) "(Intercept)", features), b)
}

show_rq <- function(data, target, features, tau, weights = NULL, intercept = TRUE) {
  data$.w <- if (is.null(weights)) rep(1, nrow(data)) else data[[weights]]
  fit <- rq(reformulate(features, target, intercept), tau, data, weights = .w)
  run(target, features, paste0("--loss quantile:", tau), if (!is.null(weights)) paste("--weights", weights),
      if (!intercept) "--no-intercept")
  coefficients_of(names(coef(fit)), coef(fit))
}

# Cross-validation with a fold for each row does not depend on how the rows are dealt. `fit` makes a fit of data, and
# `score` sums the losses of a row, from its target and its prediction.
show_each_left_out <- function(data, target, features, loss, phrase, fit, score, mean = identity) {
  each <- sapply(seq_len(nrow(data)), function(i) {
    without <- fit(reformulate(features, target), data[-i, ])
    score(data[[target]][i], predict(without, data[i, ], type = "response"))
  })
  run(target, features, "--loss", loss, "--folds", nrow(data))
  value(paste0(nrow(data), " folds   ", nrow(data), " rows, ", phrase), mean(sum(each) / nrow(data)))
}
exact_glm <- function(family) function(formula, data) glm(formula, family, data, control = exactly)

births <- birthwt[c("low", "age", "lwt", "smoke", "ptl", "ht", "ui", "ftv", "bwt")]
births$w <- 1 + births$ftv %% 3
show_set("birthwt", births)
health <- c("age", "lwt", "smoke", "ptl", "ht", "ui")
show_glm(births, "low", health, binomial, "logistic")
show_glm(births, "low", "lwt", binomial, "logistic")
show_glm(births, "low", health, binomial, "logistic", "w")
show_glm(births, "ftv", health, poisson, "poisson")
show_glm(births, "ftv", health, poisson, "poisson", "w")
show_glm(births, "low", c("age", "smoke", "ht"), binomial, "logistic", NULL, FALSE)
show_glm(births, "ftv", c("age", "lwt"), poisson, "poisson", "w", FALSE)
show_minimum(births, "low", health, "logistic", logistic_slope, logistic_curvature, 10)
show_minimum(births, "ftv", health, "poisson", poisson_slope, poisson_curvature, 2.5)
show_huber(births, "bwt", health, 500)
show_huber(births, "bwt", health, 200)
show_ridge(births, "bwt", health, 30)

cars <- mtcars
show_set("mtcars", cars)
show_each_left_out(cars, "mpg", c("hp", "wt"), "mse", "RMSE", lm, function(y, p) (y - p)^2, sqrt)
show_each_left_out(cars, "vs", "mpg", "logistic", "mean loss", exact_glm(binomial),
                   function(y, p) -log(if (y) p else 1 - p))
show_each_left_out(cars, "carb", c("hp", "wt"), "poisson", "mean deviance", exact_glm(poisson),
                   function(y, p) 2 * (y * log(y / p) - (y - p)))
show_glm(cars, "am", c("wt", "hp"), binomial, "logistic")
show_glm(cars, "carb", c("hp", "wt", "qsec"), poisson, "poisson")
show_glm(cars, "vs", "mpg", binomial, "logistic")
show_minimum(cars, "am", c("mpg", "wt", "hp", "qsec"), "logistic", logistic_slope, logistic_curvature, 1)
show_ridge(cars, "mpg", c("disp", "hp", "drat", "wt", "qsec"), 3)
show_ridge(cars, "mpg", c("disp", "drat", "qsec"), 5, FALSE)
show_huber(cars, "mpg", c("hp", "wt"), 1)
for (tau in c(0.1, 0.25, 0.37, 0.75)) show_rq(cars, "mpg", c("hp", "wt"), tau)
show_rq(cars, "mpg", c("hp", "drat"), 0.61, "gear", FALSE)

show_set("infert", infert[c("case", "age", "parity", "induced", "spontaneous")])
show_glm(infert, "case", c("age", "parity", "induced", "spontaneous"), binomial, "logistic")

show_set("warpbreaks", with(warpbreaks, data.frame(breaks, wool = as.numeric(wool == "B"),
  m = as.numeric(tension == "M"), h = as.numeric(tension == "H"))))
show_glm(with(warpbreaks, data.frame(breaks, wool = as.numeric(wool == "B"), m = as.numeric(tension == "M"),
  h = as.numeric(tension == "H"))), "breaks", c("wool", "m", "h"), poisson, "poisson")

epilepsy <- epil[c("y", "base", "age", "V4", "period")]
show_set("epil", epilepsy)
show_glm(epilepsy, "y", c("base", "age", "V4"), poisson, "poisson")

data(engel)
engel$w <- 1 + seq_len(nrow(engel)) %% 4 / 2
show_set("engel", engel)
for (tau in c(0.05, 0.13, 0.5, 0.77, 0.9, 0.99)) show_rq(engel, "foodexp", "income", tau)
show_rq(engel, "foodexp", "income", 0.9, "w")
show_huber(engel, "foodexp", "income", 50)

show_set("stackloss", setNames(stackloss, c("air", "water", "acid", "loss")))
stack <- setNames(stackloss, c("air", "water", "acid", "loss"))
for (tau in c(0.33, 0.5, 0.81)) show_rq(stack, "loss", c("air", "water", "acid"), tau)
show_huber(stack, "loss", c("air", "water", "acid"), 1.5)

air <- airquality[complete.cases(airquality), ]
show_set("airquality", air)
for (tau in c(0.15, 0.5, 0.85)) show_rq(air, "Ozone", c("Wind", "Temp"), tau)
show_glm(air, "Ozone", c("Wind", "Temp"), poisson, "poisson")

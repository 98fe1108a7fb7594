# Usage: Rscript rival.R CERTIFIED.TXT NIST_NONLINEAR.TXT MODELS. Fits NIST's sets by lm and nls with their
# defaults, nls by its two algorithms. MODELS has a line "NAME EXPRESSION" for each model, in R.
arguments <- commandArgs(TRUE)

# The sets of a file: each has its name, its rows with y first, and the lines that follow them.
read_sets <- function(file, lines_after) {
  lines <- strsplit(readLines(file), " ")
  first <- which(sapply(lines, `[`, 1) == "set")
  lapply(first, function(at) {
    numbers <- as.integer(lines[[at]][-(1:2)])
    rows <- do.call(rbind, lapply(lines[at + 1:numbers[1]], as.numeric))
    list(name = lines[[at]][2], y = rows[, 1], x = rows[, -1, drop = FALSE],
         after = lines[at + numbers[1] + 1:lines_after])
  })
}

print_fit <- function(name, start, by, estimates)
  cat(name, start, by, "converged", sprintf("%.17g", estimates), "\n")

for (s in read_sets(arguments[1], 3)) {
  for (by in c("lm", "lm_tol")) {
    fit <- lm(s$y ~ s$x - 1, tol = if (by == "lm") 1e-7 else 1e-14)
    errors <- sqrt(diag(vcov(fit, complete = TRUE)))
    print_fit(s$name, 1, by, c(coef(fit), errors))
  }
}

models <- strsplit(readLines(arguments[3]), " ")
models <- setNames(lapply(models, function(m) paste(m[-1], collapse = " ")), sapply(models, `[`, 1))
for (s in read_sets(arguments[2], 5)) for (start in 1:2) for (by in c("default", "port")) {
  data <- as.list(as.data.frame(s$x))
  names(data) <- paste0("x", seq_along(data))
  data$y <- s$y
  p <- as.numeric(s$after[[start]])
  fit <- try(nls(as.formula(paste("y ~", models[[s$name]])), data, as.list(setNames(p, paste0("b", seq_along(p)))),
                 algorithm = by), silent = TRUE)
  if (!inherits(fit, "try-error")) print_fit(s$name, start, paste0("nls_", by), summary(fit)$coefficients[, 1:2])
}

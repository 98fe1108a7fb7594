# Prediction intervals of linear regressions: Rscript intervals.R > intervals_golden.txt
#
# For each model a line "set NAME" and its CSV lines, from a line of names to "end"; a line "model OPTIONS" with the
# options of regress; and "new" with other rows in the same form, up to "end". Of each of these rows, whose weight is 1, a
# line "row" has the prediction and the bounds in which 95 % of such rows lie, or another share, to 15 digits.

invisible(Sys.setlocale("LC_COLLATE", "C"))

table <- function(word, frame) {
  cat(word, "\n", sep = "")
  write.table(format(frame, digits = 15, trim = TRUE), quote = FALSE, sep = ",", row.names = FALSE)
  cat("end\n")
}

model <- function(name, frame, options, formula, new, weights = rep(1, nrow(frame)), level = 0.95) {
  environment(formula) <- environment()
  table(paste("set", name), frame)
  cat("model", options, "\n")
  table("new", new)
  bounds <- suppressWarnings(predict(lm(formula, frame, weights = weights), new, interval = "prediction", level = level))
  for (i in seq_len(nrow(bounds)))
    cat("row", format(bounds[i, ], digits = 15, scientific = TRUE, trim = TRUE), "\n")
}

model("cars", cars, "--target dist", dist ~ speed, data.frame(speed = c(0, 10, 15.4, 100)))
model("cars", cars, "--target dist --features 'speed, speed^2, log(speed)'", dist ~ speed + I(speed^2) + log(speed),
      data.frame(speed = c(1, 10, 15.4, 100)))
model("mtcars", mtcars[c("mpg", "wt", "hp", "qsec")], "--target mpg", mpg ~ wt + hp + qsec,
      data.frame(qsec = c(17, 20), extra = c("a", "b"), wt = c(3.5, 2), hp = c(110, 300)))
model("PlantGrowth", PlantGrowth, "--target weight", weight ~ group, data.frame(group = c("trt2", "ctrl", "trt1")))
model("mtcars", mtcars[c("mpg", "wt", "cyl")], "--target mpg --features 'wt*factor(cyl), wt, factor(cyl)'",
      mpg ~ wt * factor(cyl), data.frame(wt = c(2, 3, 4, 5), cyl = c(8, 6, 4, 8)))
weighted <- data.frame(cars, w = 1 + cars$speed %% 3)
model("cars", weighted, "--target dist --weights w", dist ~ speed, data.frame(speed = c(0, 10, 15.4, 100)), weighted$w)
model("cars", weighted, "--target dist --weights w --features 'speed, speed^2' --no-intercept",
      dist ~ 0 + speed + I(speed^2), data.frame(speed = c(0, 10, 15.4, 100)), weighted$w)
model("cars", cars, "--target dist --level 0.99", dist ~ speed, data.frame(speed = c(10, 21)), level = 0.99)
model("cars", cars, "--target dist --level=0.5", dist ~ speed, data.frame(speed = c(10, 21)), level = 0.5)

# Linear regressions of R's data sets: Rscript regressions.R > regressions_golden.txt
#
# For each data set this writes a line "set NAME TARGET"; the data as CSV, from a line of names to a line "end"; a line
# "coefficient NAME estimate standard-error t p lower upper" for each coefficient; and a line "fit" with the residual
# standard error, its degrees of freedom, R2, adjusted R2, F, the degrees of freedom of its numerator, p, the
# log-likelihood and AIC. All are those of R's lm.

digits <- function(x) paste(format(x, digits = 15, scientific = TRUE, trim = TRUE), collapse = " ")

show <- function(name, target, data) {
  data <- data[complete.cases(data), sapply(data, is.numeric)]
  names(data) <- gsub("[^A-Za-z0-9]", "_", names(data))
  data <- as.data.frame(lapply(data, as.numeric))
  cat("set", name, target, "\n")
  write.table(format(data, digits = 15, trim = TRUE), quote = FALSE, sep = ",", row.names = FALSE)
  cat("end\n")
  fit <- lm(reformulate(".", target), data)
  s <- summary(fit)
  bounds <- confint(fit)
  for (i in seq_len(nrow(s$coefficients)))
    cat("coefficient", sub("(Intercept)", "intercept", rownames(s$coefficients)[i], fixed = TRUE),
        digits(s$coefficients[i, ]), digits(bounds[i, ]), "\n")
  f <- s$fstatistic
  cat("fit", digits(c(s$sigma, s$df[2], s$r.squared, s$adj.r.squared, f[1], f[2],
                      pf(f[1], f[2], f[3], lower.tail = FALSE), logLik(fit), AIC(fit))), "\n")
}

show("airquality", "Ozone", airquality)
show("mtcars", "mpg", mtcars)
show("cars", "dist", cars)
show("longley", "Employed", longley)
show("swiss", "Fertility", swiss)
show("stackloss", "stack_loss", stackloss)
show("trees", "Volume", trees)
show("attitude", "rating", attitude)
show("faithful", "eruptions", faithful)
show("women", "weight", women)
show("iris", "Petal_Width", iris)
show("pressure", "pressure", pressure)
show("rock", "area", rock)
show("LifeCycleSavings", "sr", LifeCycleSavings)
show("USArrests", "Murder", USArrests)
show("anscombe", "y1", anscombe[c("x1", "y1")])
show("freeny", "y", freeny)
show("infert", "parity", infert)
show("quakes", "mag", quakes)
show("ToothGrowth", "len", ToothGrowth)
show("Orange", "circumference", Orange)
show("Puromycin", "rate", Puromycin)
show("BOD", "demand", BOD)
show("state.x77", "Life_Exp", as.data.frame(state.x77))
show("USJudgeRatings", "RTEN", USJudgeRatings)
show("chickwts-ChickWeight", "weight", ChickWeight)
show("beaver1", "temp", beaver1)
show("warpbreaks-esoph", "ncases", esoph)
show("Loblolly", "height", Loblolly)
show("morley", "Speed", morley)

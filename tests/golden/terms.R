# Linear regressions with terms, factors, weights and no intercept: Rscript terms.R > terms_golden.txt
#
# For each data set a line "set NAME" and its CSV lines, from a line of names to "end". For each model of it a line
# "model OPTIONS" with the options of regress, a line "coefficient NAME estimate standard-error t p lower upper" for each
# coefficient, and a line "fit" with the residual standard error, its degrees of freedom, R2, adjusted R2, F, its
# numerator's degrees of freedom, p, log-likelihood and AIC. Names are those that regress gives.

invisible(Sys.setlocale("LC_COLLATE", "C"))

digits <- function(x) paste(format(x, digits = 15, scientific = TRUE, trim = TRUE), collapse = " ")

set <- function(name, frame) {
  frame <- as.data.frame(lapply(frame[complete.cases(frame), ], function(x)
    if (is.numeric(x)) as.numeric(x) else type.convert(as.character(x), as.is = TRUE)))
  names(frame) <- gsub("[^A-Za-z0-9]", "_", names(frame))
  cat("set", name, "\n")
  write.table(format(frame, digits = 15, trim = TRUE), quote = FALSE, sep = ",", row.names = FALSE)
  cat("end\n")
  assign("data", frame, globalenv())
}

# supp:dose becomes supp=VC*dose, and I(x^2) x^2.
rename <- function(coefficient, factors) {
  parts <- strsplit(coefficient, ":", fixed = TRUE)[[1]]
  for (f in factors)
    parts <- ifelse(startsWith(parts, f) & parts != f, paste0(f, "=", substring(parts, nchar(f) + 1)), parts)
  parts <- sub("^I\\((.*)\\)$", "\\1", parts)
  sub("(Intercept)", "intercept", paste(parts, collapse = "*"), fixed = TRUE)
}

model <- function(options, formula, weights = NULL) {
  environment(formula) <- environment()
  fit <- lm(formula, data, weights = weights)
  s <- summary(fit)
  bounds <- confint(fit)
  cat("model", options, "\n")
  for (i in seq_len(nrow(s$coefficients)))
    cat("coefficient", rename(rownames(s$coefficients)[i], names(fit$xlevels)), digits(s$coefficients[i, ]),
        digits(bounds[rownames(s$coefficients)[i], ]), "\n")
  f <- s$fstatistic
  cat("fit", digits(c(s$sigma, s$df[2], s$r.squared, s$adj.r.squared, f[1], f[2],
                      pf(f[1], f[2], f[3], lower.tail = FALSE), logLik(fit), AIC(fit))), "\n")
}

set("cars", cars)
model("--target dist --features 'speed, speed^2'", dist ~ speed + I(speed^2))
model("--target dist --features 'speed, speed^2, speed^3'", dist ~ speed + I(speed^2) + I(speed^3))
model("--target dist --features 'speed^0.5, speed^-1'", dist ~ I(speed^0.5) + I(speed^-1))
model("--target dist --no-intercept", dist ~ 0 + speed)
model("--target dist --features 'speed, speed^2' --no-intercept", dist ~ 0 + speed + I(speed^2))
model("--target dist --features 'speed^2' --weights speed", dist ~ I(speed^2), data$speed)
model("--target dist --features 'speed, speed^3' --weights speed --no-intercept", dist ~ 0 + speed + I(speed^3), data$speed)

set("trees", trees)
model("--target Volume --features 'log(Girth), log(Height)'", Volume ~ log(Girth) + log(Height))
model("--target Volume --features 'Girth, Height, Girth*Height'", Volume ~ Girth * Height)
model("--target Volume --features 'Girth^2*Height'", Volume ~ I(Girth^2):Height)
model("--target Volume --features 'sqrt(Girth)'", Volume ~ sqrt(Girth))

set("mtcars", mtcars)
model("--target mpg --exclude qsec,carb", mpg ~ cyl + disp + hp + drat + wt + vs + am + gear)
model("--target mpg --features 'hp, wt, hp*wt, hp*wt*disp'", mpg ~ hp + wt + hp:wt + hp:wt:disp)
model("--target mpg --features 'log(hp), exp(drat), wt'", mpg ~ log(hp) + exp(drat) + wt)
model("--target mpg --features 'factor(cyl), wt'", mpg ~ factor(cyl) + wt)
model("--target mpg --features 'factor(cyl), wt, factor(cyl)*wt'", mpg ~ factor(cyl) * wt)
model("--target mpg --features 'factor(gear), factor(am)*wt'", mpg ~ factor(gear) + factor(am):wt)
model("--target mpg --features 'wt, factor(gear), gear, hp' --dependent drop", mpg ~ wt + factor(gear) + gear + hp)
model("--target mpg --weights carb", mpg ~ . - carb, data$carb)
model("--target mpg --features 'hp, wt' --weights vs", mpg ~ hp + wt, data$vs)
model("--target mpg --features 'factor(cyl), wt' --weights am --no-intercept", mpg ~ 0 + factor(cyl) + wt, data$am)
model("--target mpg --features 'wt, factor(gear), factor(cyl)' --no-intercept", mpg ~ 0 + wt + factor(gear) + factor(cyl))
model("--target mpg --features 'wt*factor(gear), factor(cyl)' --no-intercept", mpg ~ 0 + wt:factor(gear) + factor(cyl))
model("--target mpg --features 'factor(gear), factor(am), factor(gear)*factor(am), hp' --dependent drop",
      mpg ~ factor(gear) * factor(am) + hp)
model("--target mpg --features 'factor(am), factor(am)*hp, hp*wt*factor(cyl), factor(am)*hp*factor(cyl)'",
      mpg ~ factor(am) + factor(am):hp + hp:wt:factor(cyl) + factor(am):hp:factor(cyl))

set("iris", iris)
model("--target Sepal_Length", Sepal_Length ~ .)
model("--target Sepal_Length --features 'Species, Petal_Width, Species*Petal_Width'", Sepal_Length ~ Species * Petal_Width)
model("--target Sepal_Length --features 'Petal_Width, Petal_Width*Species'", Sepal_Length ~ Petal_Width + Species:Petal_Width)
model("--target Sepal_Length --features 'Species, Species*Petal_Width'", Sepal_Length ~ Species + Species:Petal_Width)
model("--target Sepal_Length --no-intercept --weights Petal_Width", Sepal_Length ~ . - Petal_Width - 1, data$Petal_Width)

set("ToothGrowth", ToothGrowth)
model("--target len", len ~ .)
model("--target len --features 'supp, log(dose), supp*log(dose)'", len ~ supp * log(dose))
model("--target len --features 'supp, factor(dose), supp*factor(dose)'", len ~ supp * factor(dose))

set("warpbreaks", warpbreaks)
model("--target breaks", breaks ~ .)
model("--target breaks --features 'wool, tension, wool*tension'", breaks ~ wool * tension)
model("--target breaks --features 'wool, wool*tension'", breaks ~ wool + wool:tension)
model("--target breaks --features 'wool, tension, wool*tension' --no-intercept", breaks ~ 0 + wool * tension)

set("chickwts", chickwts)
model("--target weight", weight ~ feed)

set("InsectSprays", InsectSprays)
model("--target count", count ~ spray)

set("PlantGrowth", PlantGrowth)
model("--target weight", weight ~ group)

set("airquality", airquality)
model("--target Ozone --features 'Temp, factor(Month), Temp*Wind'", Ozone ~ Temp + factor(Month) + Temp:Wind)

set("ChickWeight", ChickWeight)
model("--target weight --features 'Time, factor(Diet), Time*factor(Diet)'", weight ~ Time * factor(Diet))

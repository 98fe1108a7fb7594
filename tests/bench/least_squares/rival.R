# Usage: Rscript rival.R fit ROWS COLUMNS, as ours.c, by lm.fit; or Rscript rival.R read.csv|fread FILE, which
# reads a file and fits y to all columns by lm.
arguments <- commandArgs(TRUE)

# The value in KB of a line of /proc/self/status.
status <- function(field)
  as.numeric(gsub("[^0-9]", "", grep(paste0("^", field, ":"), readLines("/proc/self/status"), value = TRUE)))

if (arguments[1] %in% c("read.csv", "fread")) {
  table <- if (arguments[1] == "fread") data.table::fread(arguments[2]) else read.csv(arguments[2])
  print(summary(lm(y ~ ., table)))
} else {
  columns <- as.integer(arguments[3])
  x <- matrix(rnorm(as.numeric(arguments[2]) * columns), ncol = columns)
  y <- rowSums(x) + rnorm(nrow(x))
  invisible(gc())
  writeLines("5", "/proc/self/clear_refs") # the peak begins again
  before <- status("VmRSS")
  begin <- proc.time()
  fit <- lm.fit(x, y)
  cat(sum((proc.time() - begin)[1:2]), status("VmHWM") - before, "\n")
}

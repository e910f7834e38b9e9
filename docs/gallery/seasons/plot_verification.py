"""
Verification and report
=======================

Is a forecast better than simple ones? Scores with references, and one page that shows it all.
"""

import xai4land

obs = xai4land.sample("climate", years=range(1900, 2001))[["tas"]]
base = {"climatology": (1951, 1980)}
years = range(1981, 2001)
forecast = obs.seasonal.forecast("DJF", members=50, years=years, **base).compute()

# %%
# References are made from the same months, as of the same dates.

references = ["climatology", "trend", "damped persistence"]
scores = forecast.seasonal.verify(obs, references=references, **base).compute()
scores.seasonal.summarise().round(3)

# %%
# Where a forecast is better than climatology.

scores.seasonal.plot_scores()

# %%
# Does a tercile that is given 60 % come true in 60 % of the cases?

metrics = ["reliability_below", "reliability_above", "rank_histogram"]
forecast.seasonal.verify(obs, metrics=metrics, **base).seasonal.plot_reliability()

# %%
# All of it, with intervals, as one page of HTML without links to other files.

path = forecast.seasonal.report("report.html", obs=obs, references=["trend"], **base)
print(path, path.stat().st_size // 1024, "KiB")

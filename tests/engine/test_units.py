"""Units: equal to UDUNITS, differences without zero points, water's depth and mass."""

import numpy as np
import pytest
import xarray as xr

from xai4land.catalogs import harmonise
from xai4land.errors import InputError
from xai4land.units import convert_units, find_conversion, is_difference, mark_difference

# Slopes and zero points as UDUNITS 2.2 gives them.
UDUNITS = [
    ("kelvin", "K", 1.0, 0.0),
    ("Kelvin", "K", 1.0, 0.0),
    ("degrees_C", "K", 1.0, 273.15),
    ("degree_Celsius", "K", 1.0, 273.15),
    ("celsius", "K", 1.0, 273.15),
    ("°C", "K", 1.0, 273.15),
    ("degF", "K", 5 / 9, 255.37222222222223),
    ("0.1 K", "K", 0.1, 0.0),
    ("K @ 273.15", "K", 1.0, 273.15),
    ("millibar", "Pa", 100.0, 0.0),
    ("hPa", "Pa", 100.0, 0.0),
    ("N m-2", "Pa", 1.0, 0.0),
    ("percent", "1", 0.01, 0.0),
    ("%", "1", 0.01, 0.0),
    ("1e-3", "1", 1e-3, 0.0),
    ("mm d-1", "mm s-1", 1 / 86400, 0.0),
    ("mm h-1", "mm s-1", 1 / 3600, 0.0),
    ("mm hr-1", "mm s-1", 1 / 3600, 0.0),
    ("mm/day", "mm s-1", 1 / 86400, 0.0),
    ("m s**-1", "mm s-1", 1000.0, 0.0),
    ("mm month-1", "mm s-1", 3.802651756898219e-07, 0.0),
    ("mm yr-1", "mm s-1", 3.168876464081849e-08, 0.0),
    ("kg m-2 day-1", "kg m-2 s-1", 1 / 86400, 0.0),
    ("kg/m2/s", "kg m-2 s-1", 1.0, 0.0),
]


@pytest.mark.parametrize(("given", "wanted", "slope", "zero"), UDUNITS)
def test_conversions_are_those_of_udunits(given, wanted, slope, zero):
    assert find_conversion(given, wanted) == pytest.approx((slope, zero), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("K", "Pa"), ("mm", "kg m-2"), ("furlongs of cheese", "m"), ("", "1"), ("mm d-1", "K")],
)
def test_what_udunits_does_not_convert_is_refused(given, wanted):
    assert find_conversion(given, wanted) is None
    field = xr.DataArray([1.0], dims="x", name="x", attrs={"units": given})
    with pytest.raises(InputError, match=r"cannot be converted|has no units"):
        convert_units(field, wanted)


@pytest.mark.parametrize(
    ("given", "wanted", "slope"),
    [
        ("mm d-1", "kg m-2 s-1", 1 / 86400),
        ("m s-1", "kg m-2 s-1", 1000.0),
        ("kg m-2 s-1", "mm/day", 86400.0),
        ("m", "kg m-2", 1000.0),
        ("kg m-2", "cm", 0.1),
    ],
)
def test_a_millimetre_of_water_is_a_kilogram_for_water_alone(given, wanted, slope):
    rain = xr.DataArray([2.0], dims="x", attrs={"units": given})
    made = convert_units(rain, wanted, standard_name="precipitation_flux")
    np.testing.assert_allclose(made, 2 * slope, rtol=1e-12)
    with pytest.raises(InputError, match="cannot be converted"):
        convert_units(rain, wanted, standard_name="surface_snow_thickness")


DIFFERENCES = [
    {"units_metadata": "temperature: difference"},
    {"standard_name": "air_temperature_anomaly"},
    {"long_name": "surface temperature anomaly"},
    {"long_name": "2 m temperature anomalies against 1961-1990"},
    {"long_name": "Temperature departures"},
    {"long_name": "difference of near-surface temperature", "standard_name": "air_temperature"},
    {"description": "anomaly"},
    {"cell_methods": "time: mean (anomaly wrt 1961-1990)"},
    {"cell_methods": "time: standard_deviation"},
]


@pytest.mark.parametrize("attrs", DIFFERENCES)
def test_differences_of_temperature_have_no_zero_point(attrs):
    field = xr.DataArray([-1.0, 1.0], dims="x", name="tas", attrs={"units": "degC", **attrs})
    np.testing.assert_array_equal(convert_units(field, "K"), [-1, 1])
    made = harmonise(field.to_dataset()).tas
    np.testing.assert_array_equal(made, [-1, 1])
    assert made.attrs["standard_name"] == "air_temperature_anomaly"
    assert made.attrs["units_metadata"] == "temperature: difference"


def test_temperatures_have_a_zero_point():
    field = xr.DataArray([-1.0, 1.0], dims="x", name="tas", attrs={"units": "degC"})
    np.testing.assert_array_equal(convert_units(field, "K"), [272.15, 274.15])
    np.testing.assert_array_equal(convert_units(field, "K", differences=True), [-1, 1])
    on_scale = field.assign_attrs(units_metadata="temperature: on_scale")
    assert harmonise(on_scale.to_dataset()).tas.attrs["standard_name"] == "air_temperature"


def test_metadata_that_contradict_each_other_are_refused():
    attrs = {
        "units": "degC",
        "standard_name": "air_temperature_anomaly",
        "units_metadata": "temperature: on_scale",
    }
    with pytest.raises(InputError, match="correct one of them"):
        is_difference(xr.DataArray([1.0], dims="x", name="tas", attrs=attrs))


def test_types_and_laziness_stay():
    field = xr.DataArray(np.float32([0, 50]), dims="x", attrs={"units": "%"}).chunk()
    made = convert_units(field, "1")
    assert made.dtype == np.float32
    assert made.chunks is not None
    whole = convert_units(xr.DataArray([0, 50], dims="x", attrs={"units": "%"}), "1")
    np.testing.assert_allclose(whole, [0, 0.5])


@pytest.mark.parametrize(
    ("standard_name", "of_anomaly"),
    [
        ("air_temperature", "air_temperature_anomaly"),
        ("air_pressure_at_mean_sea_level", "air_pressure_anomaly"),
        ("air_temperature_anomaly", "air_temperature_anomaly"),
        ("precipitation_flux", None),  # CF has none
        ("tendency_of_air_temperature", "tendency_of_air_temperature"),
    ],
)
def test_differences_have_no_standard_name_of_absolute_values(standard_name, of_anomaly):
    field = xr.DataArray([1.0], dims="x", name="v", attrs={"standard_name": standard_name})
    made = mark_difference(field)
    assert made.attrs.get("standard_name") == of_anomaly
    assert is_difference(made)
    assert field.attrs == {"standard_name": standard_name}

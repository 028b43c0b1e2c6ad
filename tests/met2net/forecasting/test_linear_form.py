from met2net.forecasting.linear_form import linear_form
from met2net.models.linear_forecast import LinearForm


def test_its_form_follows_from_the_field_alone():
    assert linear_form(12, (5, 4, 5)) == LinearForm((0, 3, 6, 8, 9, 10, 11), num_day_parts=8)
    assert linear_form(4, (5, 32, 64)) == LinearForm((0, 1, 2, 3), stencil=5, num_bands=8)
    assert linear_form(12, (4, 21, 17)) == LinearForm((0, 3, 6, 8, 9, 10, 11), 3, num_bands=5)
    assert linear_form(12, (69, 12, 24)).stencil == 3  # more than can be afforded, and no less

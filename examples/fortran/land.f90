!> What the model itself knows of land use: in some places, forest is cleared for crops.
module land
  use, intrinsic :: iso_c_binding, only: c_double, c_float
  use, intrinsic :: ieee_arithmetic, only: ieee_is_nan
  implicit none
contains

  !> Reads the first year's area fractions (longitude, latitude, state).
  subroutine read_states(file, columns, rows, number, states)
    character(*), intent(in) :: file
    integer, intent(in) :: columns, rows, number
    real(c_float), allocatable, intent(out) :: states(:, :, :)
    integer :: unit
    allocate (states(columns, rows, number))
    open (newunit=unit, file=file, access="stream", form="unformatted", status="old", action="read")
    read (unit) states
    close (unit)
  end subroutine

  !> Clears 8 % of the forests east of 10 E and north of 28 N in a year, 1 % elsewhere.
  subroutine clear_forest(states, names, lon, lat)
    real(c_float), intent(inout) :: states(:, :, :)
    character(*), intent(in) :: names(:)
    real(c_double), intent(in) :: lon(:), lat(:)
    real(c_float) :: cleared
    integer :: forest, crops, column, row
    forest = findloc(names == "primf", .true., 1)
    crops = findloc(names == "c3ann", .true., 1)
    do row = 1, size(lat)
      do column = 1, size(lon)
        if (ieee_is_nan(states(column, row, forest))) cycle ! ocean
        cleared = merge(0.08, 0.01, lon(column) > 10 .and. lat(row) > 28)*states(column, row, forest)
        states(column, row, forest) = states(column, row, forest) - cleared
        states(column, row, crops) = states(column, row, crops) + cleared
      end do
    end do
  end subroutine
end module

!> What the model itself does to the land: in some places, forest is cleared for crops.
module land
  use, intrinsic :: iso_c_binding, only: c_double, c_float
  use, intrinsic :: ieee_arithmetic, only: ieee_is_nan
  implicit none
contains

  !> Reads the first year's area fractions (longitude, latitude, state); rows are counted.
  subroutine read_states(file, columns, number, states)
    character(*), intent(in) :: file
    integer, intent(in) :: columns, number
    real(c_float), allocatable, intent(out) :: states(:, :, :)
    integer :: unit, bytes
    inquire (file=file, size=bytes)
    allocate (states(columns, bytes/(4*columns*number), number))
    open (newunit=unit, file=file, access="stream", form="unformatted", status="old", action="read")
    read (unit) states
    close (unit)
  end subroutine

  !> Clears 8 % of the forests east of 40 W and north of 44 N in a year, 1 % elsewhere.
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
        cleared = merge(0.08, 0.01, lon(column) > -40 .and. lat(row) > 44)*states(column, row, forest)
        states(column, row, forest) = states(column, row, forest) - cleared
        states(column, row, crops) = states(column, row, crops) + cleared
      end do
    end do
  end subroutine

  !> An argument of the command line.
  function argument(number) result(text)
    integer, intent(in) :: number
    character(:), allocatable :: text
    integer :: length
    call get_command_argument(number, length=length)
    allocate (character(length) :: text)
    call get_command_argument(number, text)
  end function
end module

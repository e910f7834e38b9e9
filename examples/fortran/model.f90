!> A model of land use that asks an emulator for a map of land cover each year.
!!
!! model run.yaml states.bin maps.bin
program model
  use, intrinsic :: iso_c_binding, only: c_double, c_float, c_int32_t
  use, intrinsic :: iso_fortran_env, only: int64
  use xai4land
  use land, only: argument, clear_forest, read_states
  implicit none

  integer(xai4land_model) :: emulator
  integer :: code, done, steps, unit, k
  integer, allocatable :: sizes(:)
  integer(c_int32_t), allocatable :: map(:, :)
  real(c_float), allocatable :: states(:, :, :)
  real(c_double), allocatable :: lon(:), lat(:), map_lon(:), map_lat(:), seconds(:)
  character(:), allocatable :: names(:), classes
  integer(int64) :: before

  before = now()
  call xai4land_open(argument(1), emulator, code)
  call check(code)
  print "(a, f0.2, a)", "start-up ", seconds_since(before), " s"

  call xai4land_names(emulator, "inputs", names, code)
  call check(code)
  call xai4land_coordinates(emulator, names(1), lon, lat, code)
  call check(code)
  call xai4land_coordinates(emulator, "land_cover", map_lon, map_lat, code)
  call check(code)
  call xai4land_attribute(emulator, "land_cover", "flag_meanings", classes, code)
  call check(code)
  call xai4land_steps(emulator, done, steps, code)
  call check(code)
  print "(a, i0, a, i0, a, i0, a)", "states on ", size(lon), " x ", size(lat), " cells, ", &
    steps - done, " steps to make"
  print "(2a)", "classes ", classes

  allocate (map(size(map_lon), size(map_lat)), seconds(steps))
  call read_states(argument(2), size(lon), size(names), states)
  open (newunit=unit, file=argument(3), access="stream", form="unformatted", status="replace")
  do while (done < steps)
    call clear_forest(states, names, lon, lat)
    before = now()
    do k = 1, size(names)
      call xai4land_set(emulator, trim(names(k)), states(:, :, k), code)
      call check(code)
    end do
    call xai4land_step(emulator, code)
    call check(code)
    call xai4land_get(emulator, "land_cover", map, code)
    call check(code)
    done = done + 1
    seconds(done) = seconds_since(before)
    write (unit) states, map
  end do
  close (unit)

  call xai4land_shape(emulator, "land_cover", sizes, code)
  call check(code)
  print "(a, i0, a, i0, a)", "maps of ", sizes(1), " x ", sizes(2), " pixels"
  call report(-55.125d0, 60.125d0)
  call report(-25.125d0, 60.125d0)
  call report(-55.125d0, 25.125d0)
  print "(a, f0.3, a, f0.3, a)", "a step ", sum(seconds)/size(seconds), " s, the longest ", &
    maxval(seconds), " s"

  call xai4land_close(emulator, code)
  call check(code)
  call xai4land_finalise(code)
  call check(code)
  print "(a)", "finalised"

contains

  !> Ends the model in its own way if a call has failed.
  subroutine check(code)
    integer, intent(in) :: code
    if (code == xai4land_ok) return
    print "(a, i0, 2a)", "error ", code, ": ", xai4land_message()
    stop 1
  end subroutine

  !> Prints the class at a place.
  subroutine report(east, north)
    real(c_double), intent(in) :: east, north
    integer :: column, row
    column = minloc(abs(map_lon - east), 1)
    row = minloc(abs(map_lat - north), 1)
    print "(a, f0.3, a, f0.3, a, i0)", "class at ", east, " E ", north, " N: ", map(column, row)
  end subroutine

  integer(int64) function now()
    call system_clock(now)
  end function

  real(c_double) function seconds_since(start)
    integer(int64), intent(in) :: start
    integer(int64) :: rate
    call system_clock(count_rate=rate)
    seconds_since = real(now() - start, c_double)/real(rate, c_double)
  end function
end program

!> What goes wrong is a code and a message, and the program goes on.
!!
!! errors errors.yaml states.bin
program errors
  use, intrinsic :: iso_c_binding, only: c_float, c_double, c_int32_t
  use, intrinsic :: ieee_arithmetic, only: ieee_is_nan, ieee_quiet_nan, ieee_value
  use xai4land
  use land, only: argument, read_states
  implicit none

  integer(xai4land_model) :: emulator
  integer :: code, i, j, k
  integer, allocatable :: sizes(:)
  integer(c_int32_t), allocatable :: map(:, :), again(:, :)
  real(c_float), allocatable :: states(:, :, :), wide(:, :), confidence(:, :), probability(:, :, :)
  character(:), allocatable :: names(:), time, text

  call xai4land_open("absent.yaml", emulator, code)
  call tell("no run file", xai4land_input)
  call xai4land_open(argument(1), emulator, code)
  call tell("opened", xai4land_ok)
  call xai4land_names(emulator, "inputs", names, code)
  call xai4land_shape(emulator, names(1), sizes, code)
  call read_states(argument(2), sizes(1), size(names), states)
  call xai4land_shape(emulator, "land_cover", sizes, code)
  allocate (map(sizes(1), sizes(2)), confidence(sizes(1), sizes(2)))

  call xai4land_set(emulator, "primv", states(:, :, 1), code)
  call tell("unknown field", xai4land_input)
  call xai4land_set(emulator, "primf", transpose(states(:, :, 1)), code)
  call tell("transposed field", xai4land_input)
  call xai4land_get(emulator, "land_cover", map, code)
  call tell("no map yet", xai4land_input)
  call xai4land_step(emulator, code)
  call tell("no fields", xai4land_input)
  call set_all()
  call xai4land_step(emulator, code, "soon")
  call tell("no date", xai4land_input)
  call xai4land_step(emulator, code)
  call tell("first step", xai4land_ok)
  call xai4land_get(emulator, "land_cover", map, code)
  call tell("map", xai4land_ok)
  call xai4land_get(emulator, "land_cover", map(2:, :), code)
  call tell("small array", xai4land_input)
  call xai4land_get(emulator, "confidence", map, code)
  call tell("reals to integers", xai4land_input)
  call xai4land_get(emulator, "confidence", confidence, code)
  call tell("reals", xai4land_ok)
  call xai4land_shape(emulator, "land_cover_probability", sizes, code)
  allocate (probability(sizes(1), sizes(2), sizes(3)))
  call xai4land_get(emulator, "land_cover_probability", probability, code)
  call tell("classes", xai4land_ok)
  do j = 1, size(map, 2)
    do i = 1, size(map, 1)
      if (map(i, j) == 255) cycle
      if (abs(probability(i, j, map(i, j) + 1) - confidence(i, j)) > 0.0051) stop 2
    end do
  end do

  call set_all()
  k = findloc(names == "primf", .true., 1)
  call xai4land_set(emulator, "primf", broken(states(:, :, k)), code)
  call xai4land_step(emulator, code)
  call tell("not a number", xai4land_input)
  call xai4land_set(emulator, "primf", 100*states(:, :, k), code)
  call xai4land_step(emulator, code)
  call tell("out of range", xai4land_input)
  call xai4land_set(emulator, "primf", real(states(:, :, k), c_double), code)
  k = findloc(names == "secdf", .true., 1)
  allocate (wide(2*size(states, 1), size(states, 2)), again(2*size(map, 1), size(map, 2)))
  wide = -1
  wide(::2, :) = states(:, :, k)
  call xai4land_set(emulator, "secdf", wide(::2, :), code)
  wide = -1
  call xai4land_step(emulator, code)
  call tell("mended", xai4land_ok)
  again = -1
  call xai4land_get(emulator, "land_cover", again(::2, :), code)
  print "(a, l1)", "same map of the same states: ", all(map == again(::2, :))
  call set_all()
  call xai4land_step(emulator, code, "2002-01-01")
  call tell("the same year", xai4land_input)

  call xai4land_checkpoint(emulator, code)
  call tell("no path", xai4land_input)
  call xai4land_checkpoint(emulator, code, "/absent/state")
  call tell("no folder", xai4land_file)
  call xai4land_checkpoint(emulator, code, "state")
  call tell("checkpoint", xai4land_ok)
  call xai4land_restore(emulator, argument(2), code)
  call tell("damaged", xai4land_coupling)
  call xai4land_step(emulator, code, "2030")
  call tell("own date", xai4land_ok)
  call set_all()
  call xai4land_step(emulator, code)
  call tell("beyond the end", xai4land_coupling)
  call xai4land_restore(emulator, "state", code)
  call tell("restored", xai4land_ok)
  call xai4land_time(emulator, time, code)
  print "(2a)", "time ", time
  call xai4land_attribute(emulator, "primf", "units", text, code)
  print "(2a)", "units ", text

  call xai4land_close(emulator, code)
  call tell("closed", xai4land_ok)
  call xai4land_step(emulator, code)
  call tell("closed before", xai4land_input)
  call xai4land_finalise(code)
  call tell("finalised", xai4land_ok)
  call xai4land_open(argument(1), emulator, code)
  call tell("after the end", xai4land_python)
  print "(a)", "done"

contains

  !> Prints a code and the first line of its message; ends the program if it is not the expected one.
  subroutine tell(what, expected)
    character(*), intent(in) :: what
    integer, intent(in) :: expected
    character(:), allocatable :: message
    message = ""
    if (code /= xai4land_ok) message = xai4land_message()
    print "(a, t20, i0, 2x, a)", what, code, message
    if (code /= expected) stop 1
  end subroutine

  subroutine set_all()
    integer :: k
    do k = 1, size(names)
      call xai4land_set(emulator, trim(names(k)), states(:, :, k), code)
      if (code /= xai4land_ok) stop 1
    end do
  end subroutine

  !> A field with a value that is missing in its middle.
  function broken(field)
    real(c_float), intent(in) :: field(:, :)
    real(c_float) :: broken(size(field, 1), size(field, 2))
    integer :: place(2)
    broken = field
    place = maxloc(field, .not. ieee_is_nan(field))
    broken(place(1), place(2)) = ieee_value(0.0, ieee_quiet_nan)
  end function
end program

!> Emulators of xai4land in the process of a Fortran program.
!!
!! Each call has an argument code: 0, or what kind of error it was (the constants below);
!! xai4land_message() then says what was wrong and how to mend it. Nothing ends the program.
!!
!! Arrays are (longitude, latitude), and (longitude, latitude, class or member) where an output has
!! more: the first index runs from west to east as xai4land_coordinates() gives it, the second one
!! along latitudes. In memory this is Python's (class, row, column).
module xai4land
  use, intrinsic :: iso_c_binding
  implicit none
  private
  public :: xai4land_open, xai4land_names, xai4land_shape, xai4land_coordinates
  public :: xai4land_attribute, xai4land_halo, xai4land_steps, xai4land_time, xai4land_set
  public :: xai4land_step, xai4land_get, xai4land_checkpoint, xai4land_restore, xai4land_close
  public :: xai4land_finalise, xai4land_message

  integer, parameter, public :: xai4land_ok = 0, xai4land_input = 1, xai4land_coupling = 2
  integer, parameter, public :: xai4land_file = 3, xai4land_emulator = 4, xai4land_python = 5
  integer, parameter, public :: xai4land_unexpected = 6
  integer, parameter, public :: xai4land_model = c_int64_t !< kind of the number of an emulator

  integer, parameter :: text_bytes = 16384, most_dims = 4
  integer(c_int), parameter :: type_float = 0, type_double = 1, type_int32 = 2

  !> A field for the next step: call xai4land_set(model, "primf", values(:, :), code)
  interface xai4land_set
    procedure set_float, set_double, set_int32
  end interface

  !> An output of the last step: call xai4land_get(model, "land_cover", map(:, :), code)
  !! Maps of classes go to integers (c_int32_t) or reals; other outputs to reals.
  interface xai4land_get
    procedure get_float, get_double, get_int32
  end interface

  interface
    integer(c_int) function c_open(run_file, model) bind(c, name="xai4land_open")
      import
      character(kind=c_char), intent(in) :: run_file(*)
      integer(c_int64_t), intent(out) :: model
    end function
    integer(c_int) function c_names(model, kind, names, size) bind(c, name="xai4land_names")
      import
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: kind(*)
      character(kind=c_char), intent(out) :: names(*)
      integer(c_size_t), value :: size
    end function
    integer(c_int) function c_shape(model, name, sizes) bind(c, name="xai4land_shape")
      import
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: name(*)
      integer(c_int64_t), intent(out) :: sizes(*)
    end function
    integer(c_int) function c_coordinates(model, name, lat, rows, lon, columns) &
        bind(c, name="xai4land_coordinates")
      import
      integer(c_int64_t), value :: model, rows, columns
      character(kind=c_char), intent(in) :: name(*)
      real(c_double), intent(out) :: lat(*), lon(*)
    end function
    integer(c_int) function c_attribute(model, name, attribute, text, size) &
        bind(c, name="xai4land_attribute")
      import
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: name(*), attribute(*)
      character(kind=c_char), intent(out) :: text(*)
      integer(c_size_t), value :: size
    end function
    integer(c_int) function c_halo(model, degrees) bind(c, name="xai4land_halo")
      import
      integer(c_int64_t), value :: model
      real(c_double), intent(out) :: degrees
    end function
    integer(c_int) function c_steps(model, done, all) bind(c, name="xai4land_steps")
      import
      integer(c_int64_t), value :: model
      integer(c_int64_t), intent(out) :: done, all
    end function
    integer(c_int) function c_time(model, time, size) bind(c, name="xai4land_time")
      import
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(out) :: time(*)
      integer(c_size_t), value :: size
    end function
    integer(c_int) function c_set(model, name, type, values, sizes, dims) bind(c, name="xai4land_set")
      import
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: name(*)
      integer(c_int), value :: type, dims
      type(c_ptr), value :: values
      integer(c_int64_t), intent(in) :: sizes(*)
    end function
    integer(c_int) function c_step(model, time) bind(c, name="xai4land_step")
      import
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: time(*)
    end function
    integer(c_int) function c_get(model, name, type, values, sizes, dims) bind(c, name="xai4land_get")
      import
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: name(*)
      integer(c_int), value :: type, dims
      type(c_ptr), value :: values
      integer(c_int64_t), intent(in) :: sizes(*)
    end function
    integer(c_int) function c_checkpoint(model, path) bind(c, name="xai4land_checkpoint")
      import
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: path(*)
    end function
    integer(c_int) function c_restore(model, path) bind(c, name="xai4land_restore")
      import
      integer(c_int64_t), value :: model
      character(kind=c_char), intent(in) :: path(*)
    end function
    integer(c_int) function c_close(model) bind(c, name="xai4land_close")
      import
      integer(c_int64_t), value :: model
    end function
    integer(c_int) function c_finalise() bind(c, name="xai4land_finalise")
      import
    end function
    type(c_ptr) function c_message() bind(c, name="xai4land_message")
      import
    end function
    integer(c_size_t) function c_length(text) bind(c, name="strlen")
      import
      type(c_ptr), value :: text
    end function
  end interface

contains

  !> Opens the emulator of a run file; the first call starts Python.
  subroutine xai4land_open(run_file, model, code)
    character(*), intent(in) :: run_file
    integer(xai4land_model), intent(out) :: model
    integer, intent(out) :: code
    model = 0
    code = c_open(terminated(run_file), model)
  end subroutine

  !> Names of the "inputs" or "outputs".
  subroutine xai4land_names(model, kind, names, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: kind
    character(:), allocatable, intent(out) :: names(:)
    integer, intent(out) :: code
    character(kind=c_char) :: text(text_bytes)
    code = c_names(model, terminated(kind), text, size(text, kind=c_size_t))
    if (code /= xai4land_ok) text(1) = c_null_char
    names = split(from_c(text))
  end subroutine

  !> Sizes of an input or output in Fortran's order: longitudes, latitudes, others.
  subroutine xai4land_shape(model, name, sizes, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: name
    integer, allocatable, intent(out) :: sizes(:)
    integer, intent(out) :: code
    integer(c_int64_t) :: found(most_dims)
    found = 0
    code = c_shape(model, terminated(name), found)
    sizes = int(pack(found, found > 0))
    sizes = sizes(size(sizes):1:-1)
  end subroutine

  !> Degrees east along the first index of an input or output, degrees north along the second.
  subroutine xai4land_coordinates(model, name, lon, lat, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: name
    real(c_double), allocatable, intent(out) :: lon(:), lat(:)
    integer, intent(out) :: code
    integer, allocatable :: sizes(:)
    call xai4land_shape(model, name, sizes, code)
    if (code /= xai4land_ok) sizes = [0, 0]
    allocate (lon(sizes(1)), lat(sizes(2)))
    if (code /= xai4land_ok) return
    code = c_coordinates(model, terminated(name), lat, size(lat, kind=c_int64_t), &
      lon, size(lon, kind=c_int64_t))
  end subroutine

  !> An attribute of an input or output, such as "units" or "flag_meanings"; empty if it has none.
  subroutine xai4land_attribute(model, name, attribute, text, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: name, attribute
    character(:), allocatable, intent(out) :: text
    integer, intent(out) :: code
    character(kind=c_char) :: answer(text_bytes)
    code = c_attribute(model, terminated(name), terminated(attribute), answer, &
      size(answer, kind=c_size_t))
    if (code /= xai4land_ok) answer(1) = c_null_char
    text = from_c(answer)
  end subroutine

  !> Width of a window in degrees: nearer to its edge, a map depends on where the domain was cut.
  subroutine xai4land_halo(model, degrees, code)
    integer(xai4land_model), intent(in) :: model
    real(c_double), intent(out) :: degrees
    integer, intent(out) :: code
    degrees = 0
    code = c_halo(model, degrees)
  end subroutine

  !> Steps that are done (a checkpoint may have some), and all of the run file's.
  subroutine xai4land_steps(model, done, all, code)
    integer(xai4land_model), intent(in) :: model
    integer, intent(out) :: done, all, code
    integer(c_int64_t) :: numbers(2)
    numbers = 0
    code = c_steps(model, numbers(1), numbers(2))
    done = int(numbers(1))
    all = int(numbers(2))
  end subroutine

  !> Date of the last step as YYYY-MM-DD; empty before the first.
  subroutine xai4land_time(model, time, code)
    integer(xai4land_model), intent(in) :: model
    character(:), allocatable, intent(out) :: time
    integer, intent(out) :: code
    character(kind=c_char) :: text(64)
    code = c_time(model, text, size(text, kind=c_size_t))
    if (code /= xai4land_ok) text(1) = c_null_char
    time = from_c(text)
  end subroutine

  subroutine set_float(model, name, values, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: name
    real(c_float), intent(in), target, contiguous :: values(:, :)
    integer, intent(out) :: code
    code = c_set(model, terminated(name), type_float, c_loc(values), reversed(shape(values)), 2)
  end subroutine

  subroutine set_double(model, name, values, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: name
    real(c_double), intent(in), target, contiguous :: values(:, :)
    integer, intent(out) :: code
    code = c_set(model, terminated(name), type_double, c_loc(values), reversed(shape(values)), 2)
  end subroutine

  subroutine set_int32(model, name, values, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: name
    integer(c_int32_t), intent(in), target, contiguous :: values(:, :)
    integer, intent(out) :: code
    code = c_set(model, terminated(name), type_int32, c_loc(values), reversed(shape(values)), 2)
  end subroutine

  !> Makes the outputs at a year or date, by default at that of the run file's next step.
  subroutine xai4land_step(model, code, time)
    integer(xai4land_model), intent(in) :: model
    integer, intent(out) :: code
    character(*), intent(in), optional :: time
    code = c_step(model, optional_text(time))
  end subroutine

  subroutine get_float(model, name, values, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: name
    real(c_float), intent(inout), target, contiguous :: values(..)
    integer, intent(out) :: code
    code = c_get(model, terminated(name), type_float, c_loc(values), reversed(shape(values)), &
      rank(values))
  end subroutine

  subroutine get_double(model, name, values, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: name
    real(c_double), intent(inout), target, contiguous :: values(..)
    integer, intent(out) :: code
    code = c_get(model, terminated(name), type_double, c_loc(values), reversed(shape(values)), &
      rank(values))
  end subroutine

  subroutine get_int32(model, name, values, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: name
    integer(c_int32_t), intent(inout), target, contiguous :: values(..)
    integer, intent(out) :: code
    code = c_get(model, terminated(name), type_int32, c_loc(values), reversed(shape(values)), &
      rank(values))
  end subroutine

  !> Writes the state to a file, by default to the one that the run file names.
  subroutine xai4land_checkpoint(model, code, path)
    integer(xai4land_model), intent(in) :: model
    integer, intent(out) :: code
    character(*), intent(in), optional :: path
    code = c_checkpoint(model, optional_text(path))
  end subroutine

  !> Goes on from a file that xai4land_checkpoint wrote.
  subroutine xai4land_restore(model, path, code)
    integer(xai4land_model), intent(in) :: model
    character(*), intent(in) :: path
    integer, intent(out) :: code
    code = c_restore(model, terminated(path))
  end subroutine

  !> Writes the run file's checkpoint, if it names one, and forgets the emulator.
  subroutine xai4land_close(model, code)
    integer(xai4land_model), intent(in) :: model
    integer, intent(out) :: code
    code = c_close(model)
  end subroutine

  !> Ends Python, which cannot start again in this process.
  subroutine xai4land_finalise(code)
    integer, intent(out) :: code
    code = c_finalise()
  end subroutine

  !> What was wrong in the last call that failed; of several lines if several things were.
  function xai4land_message() result(message)
    character(:), allocatable :: message
    type(c_ptr) :: text
    character(kind=c_char), pointer :: characters(:)
    text = c_message()
    call c_f_pointer(text, characters, [c_length(text) + 1])
    message = from_c(characters)
  end function

  function terminated(text)
    character(*), intent(in) :: text
    character(len=len_trim(text) + 1, kind=c_char) :: terminated
    terminated = trim(text)//c_null_char
  end function

  function optional_text(text) result(found)
    character(*), intent(in), optional :: text
    character(:, kind=c_char), allocatable :: found
    found = c_null_char
    if (present(text)) found = terminated(text)
  end function

  pure function from_c(text) result(found)
    character(kind=c_char), intent(in) :: text(:)
    character(:), allocatable :: found
    integer :: k, length
    length = 0
    do while (text(length + 1) /= c_null_char)
      length = length + 1
    end do
    allocate (character(length) :: found)
    do k = 1, length
      found(k:k) = text(k)
    end do
  end function

  pure function reversed(sizes)
    integer, intent(in) :: sizes(:)
    integer(c_int64_t) :: reversed(size(sizes))
    reversed = sizes(size(sizes):1:-1)
  end function

  !> The lines of a text, all as long as the longest.
  pure function split(text) result(lines)
    character(*), intent(in) :: text
    character(:), allocatable :: lines(:)
    integer :: k, start, number, longest
    number = 0
    longest = 0
    start = 1
    do k = 1, len(text) + 1
      if (.not. ends_at(k)) cycle
      longest = max(longest, k - start)
      number = number + 1
      start = k + 1
    end do
    allocate (character(longest) :: lines(number))
    number = 0
    start = 1
    do k = 1, len(text) + 1
      if (.not. ends_at(k)) cycle
      number = number + 1
      lines(number) = text(start:k - 1)
      start = k + 1
    end do

  contains

    pure logical function ends_at(k)
      integer, intent(in) :: k
      ends_at = k == len(text) + 1 .and. k > 1
      if (k <= len(text)) ends_at = text(k:k) == new_line("a")
    end function
  end function
end module

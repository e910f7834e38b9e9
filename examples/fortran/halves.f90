!> The model on two MPI ranks: each holds half of the rows, and a halo of its neighbour's.
!!
!! mpirun -n 2 halves half states.bin maps     (run files half_0.yaml, half_1.yaml; maps_0.bin, ...)
program halves
  use, intrinsic :: iso_c_binding, only: c_double, c_float, c_int32_t
  use, intrinsic :: ieee_arithmetic, only: ieee_quiet_nan, ieee_value
  use mpi_f08
  use xai4land
  use land, only: argument, clear_forest, read_states
  implicit none

  integer(xai4land_model) :: emulator
  integer :: code, rank, ranks, done, steps, unit, k, rows, halo, ratio
  integer :: first, last !< the rank's own rows within its domain
  integer, allocatable :: sizes(:)
  integer(c_int32_t), allocatable :: map(:, :)
  real(c_float), allocatable :: states(:, :, :), whole(:, :, :)
  real(c_double), allocatable :: lon(:), lat(:)
  real(c_double) :: width
  character(:), allocatable :: names(:)
  character(1) :: number

  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  call MPI_Comm_size(MPI_COMM_WORLD, ranks)
  call agree(merge(0, 1, ranks == 2), "there are two halves; run it on two ranks")
  write (number, "(i1)") rank

  call xai4land_open(argument(1)//"_"//number//".yaml", emulator, code)
  call check(code)
  call xai4land_names(emulator, "inputs", names, code)
  call check(code)
  call xai4land_coordinates(emulator, names(1), lon, lat, code)
  call check(code)
  call xai4land_shape(emulator, "land_cover", sizes, code)
  call check(code)
  call xai4land_halo(emulator, width, code)
  call check(code)
  call xai4land_steps(emulator, done, steps, code)
  call check(code)

  call read_states(argument(2), size(lon), size(names), whole)
  rows = size(whole, 2)/2
  halo = size(lat) - rows
  call agree(merge(0, 1, halo*abs(lat(2) - lat(1)) >= width), &
    "the halo is narrower than a window; give the domains more rows of their neighbours")
  first = merge(1, halo + 1, rank == 0)
  last = first + rows - 1
  allocate (map(sizes(1), sizes(2)), states(size(lon), size(lat), size(names)))
  states = ieee_value(0.0, ieee_quiet_nan) ! the halo's come from the neighbour
  states(:, first:last, :) = whole(:, rank*rows + 1:(rank + 1)*rows, :)

  ratio = size(map, 2)/size(lat)
  open (newunit=unit, file=argument(3)//"_"//number//".bin", access="stream", &
    form="unformatted", status="replace")
  do while (done < steps)
    call clear_forest(states(:, first:last, :), names, lon, lat(first:last))
    call exchange_halo()
    do k = 1, size(names)
      call xai4land_set(emulator, trim(names(k)), states(:, :, k), code)
      call check(code)
    end do
    call xai4land_step(emulator, code)
    call check(code)
    call xai4land_get(emulator, "land_cover", map, code)
    call check(code)
    write (unit) map(:, (first - 1)*ratio + 1:last*ratio)
    done = done + 1
  end do
  close (unit)
  call xai4land_close(emulator, code)
  call check(code)
  call xai4land_finalise(code)
  call check(code)
  print "(a, i0, a)", "rank ", rank, " finalised"
  call MPI_Finalize()

contains

  !> Gives the neighbour the rows at the cut, and takes its own.
  subroutine exchange_halo()
    real(c_float) :: mine(size(lon), halo, size(names)), theirs(size(lon), halo, size(names))
    if (rank == 0) mine = states(:, last - halo + 1:last, :)
    if (rank == 1) mine = states(:, first:first + halo - 1, :)
    call MPI_Sendrecv(mine, size(mine), MPI_REAL, 1 - rank, 0, theirs, size(theirs), MPI_REAL, &
      1 - rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE)
    if (rank == 0) states(:, last + 1:, :) = theirs
    if (rank == 1) states(:, :halo, :) = theirs
  end subroutine

  !> Ends the model on all ranks if a call has failed on one.
  subroutine check(code)
    integer, intent(in) :: code
    if (code /= xai4land_ok) print "(a, i0, a, i0, 2a)", "rank ", rank, ": error ", code, ": ", &
      xai4land_message()
    call agree(code, "")
  end subroutine

  subroutine agree(code, message)
    integer, intent(in) :: code
    character(*), intent(in) :: message
    integer :: worst
    call MPI_Allreduce(code, worst, 1, MPI_INTEGER, MPI_MAX, MPI_COMM_WORLD)
    if (worst == 0) return
    if (code /= 0 .and. message /= "") print "(a, i0, 2a)", "rank ", rank, ": ", message
    call xai4land_finalise(k)
    call MPI_Finalize()
    stop 1
  end subroutine
end program

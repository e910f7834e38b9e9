program halves
end program

package main

import "golang.org/x/sys/unix"

// fionread asks a socket for the number of bytes waiting to be read.
const fionread = unix.FIONREAD

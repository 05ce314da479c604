module tailport.dev/demo

go 1.26

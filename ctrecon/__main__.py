from ctrecon.cli import main

main()

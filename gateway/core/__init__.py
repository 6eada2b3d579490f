"""The pure core: frozen values in, frozen values out. No clock, network, disk, random or logging."""

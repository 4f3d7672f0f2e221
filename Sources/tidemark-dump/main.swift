TidemarkDump.start()

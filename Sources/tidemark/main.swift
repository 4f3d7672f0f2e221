await Tidemark.start()

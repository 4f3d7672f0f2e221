// The loop over real sockets. One at a time: some look at the process's descriptors, and all keep the cores busy.

import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) enum EventLoopTests {}

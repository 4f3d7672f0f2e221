// What is acknowledged stays, whatever ends the server: kills, old copies, clocks, disks, damage.

import Testing

/// One after the other: each starts servers of its own, and a kill is aimed at a moment.
@Suite(.serialized) enum CrashTests {}

// What a host names that configures a server, asks it and is told by it: `import TidemarkServer` is enough.

@_exported import TidemarkWire

@_exported import struct TidemarkDirectory.LastSeen
@_exported import struct TidemarkDirectory.MessageBounds
@_exported import enum TidemarkDirectory.RosterPolicy
@_exported import struct TidemarkEventLoop.EventLoopConfiguration
@_exported import struct TidemarkStore.ChangeLogClosed
@_exported import struct TidemarkStore.ChangeLogConfiguration
@_exported import enum TidemarkStore.ObserverError
@_exported import class TidemarkTLS.TLSServerContext
@_exported import struct TidemarkTickets.Services
@_exported import struct TidemarkTickets.TicketKeys
@_exported import struct TidemarkTickets.TicketPolicy

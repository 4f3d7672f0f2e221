// What a host in C asks of its server: each waits on the host's thread until it is done, and durable.

import CTidemark
import TidemarkServer

private func server(_ handle: OpaquePointer?) throws(BadArgument) -> EmbeddedServer {
    try object(handle, as: EmbeddedServer.self)
}

private func put<Value>(_ value: Value, _ place: UnsafeMutablePointer<Value>?) { place?.pointee = value }

/// Numbers in any order.
private func fields(_ fields: UnsafePointer<tidemark_field>?, _ count: Int) throws(BadArgument) -> [FieldChange] {
    guard count >= 0, fields != nil || count == 0 else { throw BadArgument("fields is NULL, and has \(count)") }
    var all: [FieldChange] = []
    all.reserveCapacity(count)
    for field in UnsafeBufferPointer(start: fields, count: count) {
        let value = field.value == nil ? nil : try bytes(field.value, field.value_bytes, "a field's value")
        all.append(FieldChange(FieldNumber(rawValue: field.number), value))
    }
    return all
}

// MARK: accounts

@c @implementation
public func tidemark_account_create(
    _ handle: OpaquePointer?,
    _ name: UnsafePointer<CChar>?,
    _ user: UnsafeMutablePointer<tidemark_user>?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        let name = try text(name, "name")
        put(try server(handle).wait { try await $0.createAccount(named: name) }, user)
    }
}

@c @implementation
public func tidemark_account_find(
    _ handle: OpaquePointer?,
    _ name: UnsafePointer<CChar>?,
    _ user: UnsafeMutablePointer<tidemark_user>?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        let name = try text(name, "name")
        put(try server(handle).wait { try await $0.user(named: name) }, user)
    }
}

@c @implementation
public func tidemark_account_disable(
    _ handle: OpaquePointer?,
    _ user: tidemark_user,
    _ is_disabled: Int32,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) { try server(handle).wait { try await $0.setDisabled(.id(user), is_disabled != 0) } }
}

@c @implementation
public func tidemark_account_delete(
    _ handle: OpaquePointer?,
    _ user: tidemark_user,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) { try server(handle).wait { try await $0.deleteAccount(.id(user)) } }
}

// MARK: details

@c @implementation
public func tidemark_profile_set(
    _ handle: OpaquePointer?,
    _ user: tidemark_user,
    _ fields: UnsafePointer<tidemark_field>?,
    _ field_count: Int,
    _ stamp: UnsafeMutablePointer<tidemark_stamp>?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        let set = ProfileSet(fields: try TidemarkEmbedding.fields(fields, field_count))
        put(try server(handle).wait { try await $0.setProfile(of: .id(user), set) }, stamp)
    }
}

@c @implementation
public func tidemark_profiles_upsert(
    _ handle: OpaquePointer?,
    _ profiles: UnsafePointer<tidemark_profile>?,
    _ count: Int,
    _ report: UnsafeMutablePointer<tidemark_upsert_report>?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        guard count >= 0, profiles != nil || count == 0 else { throw BadArgument("profiles is NULL, and has \(count)") }
        let upserts = try UnsafeBufferPointer(start: profiles, count: count).map {
            ProfileUpsert(user: $0.user, fields: try fields($0.fields, $0.field_count))
        }
        let outcome = try server(handle).wait { try await $0.upsert(upserts) }
        guard report != nil else { return }
        var told = tidemark_upsert_report()
        (told.changed, told.unchanged) = (UInt64(outcome.changed), UInt64(outcome.unchanged))
        (told.refused, told.newest_stamp) = (UInt64(outcome.refused), outcome.newestStamp)
        let first = outcome.refusals.min { $0.key < $1.key }
        told.first_refused = first?.key ?? Int(bitPattern: UInt.max)
        told.first_status = first.map { tidemark_status($0.value.code) } ?? status(TIDEMARK_OK)
        try fill(report, "report", told)
    }
}

// MARK: contacts and messages

@c @implementation
public func tidemark_contact_add(
    _ handle: OpaquePointer?,
    _ owner: tidemark_user,
    _ contact: tidemark_user,
    _ alias: UnsafePointer<CChar>?,
    _ stamp: UnsafeMutablePointer<tidemark_stamp>?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        let annotations = Annotations(alias: try optionalText(alias, "alias") ?? "")
        let add = RosterAdd(contact: .id(contact), annotations: annotations)
        put(try server(handle).wait { try await $0.addContact(add, for: .id(owner)).stamp }, stamp)
    }
}

@c @implementation
public func tidemark_contact_remove(
    _ handle: OpaquePointer?,
    _ owner: tidemark_user,
    _ contact: tidemark_user,
    _ stamp: UnsafeMutablePointer<tidemark_stamp>?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        let remove = RosterRemove(contact: contact)
        put(try server(handle).wait { try await $0.removeContact(remove, for: .id(owner)) }, stamp)
    }
}

@c @implementation
public func tidemark_message_send(
    _ handle: OpaquePointer?,
    _ sender: tidemark_user,
    _ reader: tidemark_user,
    _ id: UnsafePointer<UInt8>?,
    _ content: UnsafeRawPointer?,
    _ content_bytes: Int,
    _ stamp: UnsafeMutablePointer<tidemark_stamp>?,
    _ error: UnsafeMutablePointer<tidemark_error>?
) -> tidemark_status {
    ending(error) {
        guard let id else { throw BadArgument("id is NULL") }
        let raw = UnsafeRawPointer(id)
        let number = MessageID(
            low: UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self)),
            high: UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
        let message = MessageSend(reader: reader, id: number, content: try bytes(content, content_bytes, "content"))
        put(try server(handle).wait { try await $0.send(message, for: .id(sender)) }, stamp)
    }
}

import TidemarkWire

/// One user: two lines of the cache. The first answers "nothing new"; for others' answers it has the id and the profile.
struct Account {
    let id: UserID
    var profile: Profile
    var roster = Roster()

    var followers = Followers()
    /// Of `PopularContacts`, or none.
    var popularSlot = PopularContacts.none
    var isDeleted = false
    /// Its newest profile change is not in the tables yet: see `Restamps`.
    var isRestampDue = false
    /// This shard's: its roster is here, and it is in the followers of its contacts.
    let isOwn: Bool

    init(id: UserID, profile: Profile, isOwn: Bool) {
        self.id = id
        self.profile = profile
        self.isOwn = isOwn
    }

    var isPopular: Bool { popularSlot != PopularContacts.none }
}

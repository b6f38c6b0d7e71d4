import Synchronization

/// What the world keeps open for one client's session, such as a connection to a milter. It ends with the session.
///
/// Stages do not see what is in it: they pass it on with a question. Of a record it is no part.
public final class SessionResources: Sendable {
    private let kept = Mutex<[String: any SessionResource]>([:])

    public init() {}

    /// The resource of that name, made when it is first asked for; a name has resources of one type.
    public func resource<Resource: SessionResource>(_ name: String, make: () -> Resource) -> Resource {
        kept.withLock { kept in
            if let known = kept[name] as? Resource { return known }
            let made = make()
            kept[name] = made
            return made
        }
    }

    deinit { for resource in kept.withLock({ $0.values }) { resource.sessionEnded() } }
}

/// Something that is open for one session.
public protocol SessionResource: AnyObject, Sendable {
    /// Nobody asks it any more.
    func sessionEnded()
}

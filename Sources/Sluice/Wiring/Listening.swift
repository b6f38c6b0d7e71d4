import Configuration
import Frontends
import MailTypes
import NIOPosix
import Synchronization

// What a server listens with, and how it says how it is there.

extension Server {
    /// - Parameter hostname: What the server is called, if not as there.
    static func listeners(_ settings: ServerConfiguration, hostname: String? = nil) -> [ListenerOptions] {
        settings.listeners.map {
            ListenerOptions(
                $0, hostname: hostname ?? settings.hostname, hasCertificate: settings.hasCertificate(for: $0))
        }
    }

    /// Binds all ports.
    static func bind(
        _ settings: ServerConfiguration, on group: MultiThreadedEventLoopGroup, status: StatusServer
    ) async -> Result<BoundSockets, any Error> {
        do {
            let sockets = try await BoundSockets(portListeners(settings), on: group)
            for address in settings.metrics.bind { try await status.bind(.init(address)) }
            return .success(sockets)
        } catch {
            return .failure(error)
        }
    }

    /// The listeners without their sockets in the file system: these are bound later, by whom the server has become,
    /// and only if it has the queue. They are then that user's own.
    static func portListeners(_ settings: ServerConfiguration) -> [ListenerOptions] {
        listeners(settings).map { options in
            var options = options
            options.bind.removeAll { if case .unix = $0 { true } else { false } }
            return options
        }
    }
}

/// Who tells how the server is: nobody before it serves.
final class HealthWitness: Sendable {
    private let current = Mutex<Server?>(nil)

    var server: Server? {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    var health: StatusServer.Health { server?.health ?? StatusServer.Health(isWell: false, details: ["starting"]) }
}

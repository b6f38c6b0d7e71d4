import Adapters
import Configuration
import Delivery
import Directory
import MailTypes
import Pipeline

/// Walks the servers that mail is handed to: loops to this one, dead ends, logins that would go astray.
struct RelayReview {
    let settings: ServerConfiguration
    let seal: LoginSeal
    /// What DNS is asked with; `nil`: it is not.
    var resolver: UnboundResolver?

    func faults(of servers: [NextServer]) async -> [RouteFault] {
        var faults: [RouteFault] = []
        for server in servers {
            if settings.isItself(server.host, server.port) {
                faults.append(fault(.loop, server, "is this server itself"))
            } else if let resolver, IPAddress(server.host) == nil {
                faults += await fault(by: resolver, server).map { [$0] } ?? []
            }
            if server.isIdle, server.domain != nil {
                faults.append(fault(.deadEnd, server, "is not used: it, its domain or its post office is switched off"))
            }
            if let login = server.login { faults += self.faults(of: login, server) }
        }
        return faults
    }

    /// - Parameter backups: Domains whose backup exchanger this server is.
    func faults(ofBackups backups: [String]) async -> [RouteFault] {
        guard let resolver else { return [] }
        let review = BackupReview(
            hostname: settings.hostname, options: DeliveryOptions(settings),
            resolve: { question async throws(StageFailure) in try await resolver.answer(question) })
        var faults: [RouteFault] = []
        for domain in backups {
            let entry = "relay domain \(domain)"
            switch await review.standing(of: domain) {
            case .behind, .unknown: break
            case .unlisted(let hosts):
                faults.append(
                    RouteFault(
                        kind: .idle, entry: entry, witness: [entry] + hosts,
                        reason: "are its exchangers, and this server, which is to be their backup, is none of them"))
            case .wrong(let reason):
                faults.append(
                    RouteFault(kind: .deadEnd, entry: entry, witness: [entry], reason: "waits here: \(reason)"))
            }
        }
        return faults
    }

    private func faults(of login: SealedLogin, _ server: NextServer) -> [RouteFault] {
        var faults: [RouteFault] = []
        switch server.security {
        case .none, .opportunistic:
            faults.append(fault(.astray, server, "would hear the password of \(login.name) without TLS"))
        case .required:
            faults.append(
                fault(.astray, server, "may be somebody else who hears the password of \(login.name): not verified"))
        case .verified, .implicit: break
        }
        do throws(StageFailure) { _ = try seal.open(login, host: server.host, port: server.port) } catch {
            faults.append(fault(.astray, server, "gets no login: \(error.reason)"))
        }
        return faults
    }

    /// What the addresses of a name say.
    private func fault(by resolver: UnboundResolver, _ server: NextServer) async -> RouteFault? {
        var found: [IPAddress] = []
        for type in [DNSQuestion.RecordType.a, .aaaa] {
            // No answer is no proof of anything.
            guard let answer = try? await resolver.answer(DNSQuestion(server.host, type)) else { return nil }
            guard case .records(let records, _) = answer else { continue }
            found += records.compactMap { if case .address(let address) = $0 { address } else { nil } }
        }
        if found.isEmpty { return fault(.deadEnd, server, "has no address") }
        let own = found.filter { settings.ownEndpoints.answers(at: $0, server.port) }
        guard let first = own.first, own.count == found.count else { return nil }
        return RouteFault(
            kind: .loop, entry: server.entry, witness: [server.entry, server.place, "\(first)"],
            reason: "is this server itself")
    }

    private func fault(_ kind: RouteFault.Kind, _ server: NextServer, _ reason: String) -> RouteFault {
        RouteFault(kind: kind, entry: server.entry, witness: [server.entry, server.place], reason: reason)
    }
}

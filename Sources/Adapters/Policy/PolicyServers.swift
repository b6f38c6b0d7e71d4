import MailTypes
import NIOPosix
public import Pipeline
import Protocols

/// Asks policy servers, as Postfix does, whichever of them answers.
public final class PolicyServers: Sendable {
    private let rotation = ServerRotation<ScannerAddress>()

    public init() {}

    /// - Throws: No server has answered, or none has said anything that can be read.
    public func answer(_ question: PolicyQuestion) async throws(StageFailure) -> String {
        guard let order = question.order else { throw StageFailure("what is to be said is not at hand") }
        var failures: [StageFailure] = []
        for server in rotation.order(of: order.servers) {
            let connection = ScannerConnection(
                address: server, patience: order.patience.duration, pieces: [],
                head: PolicyDelegation.request(question.attributes(order)), reader: PolicyDelegation.reader())
            do throws(StageFailure) {
                let action = try await connection.answer(on: MultiThreadedEventLoopGroup.singleton)
                rotation.note(server, isWell: true)
                return action
            } catch {
                if Task.isCancelled { throw error }
                rotation.note(server, isWell: false)
                failures.append(StageFailure("\(server): \(error.reason)", timedOut: error.timedOut))
            }
        }
        let reasons = failures.map(\.reason).joined(separator: "; ")
        throw StageFailure("no policy server answers: \(reasons)", timedOut: failures.contains(where: \.timedOut))
    }
}

extension PolicyQuestion {
    fileprivate func attributes(_ order: Order) -> KeyValuePairs<String, String> {
        let session = order.session
        let protocolName = session.language == .lmtp ? "LMTP" : session.helloVerb == .helo ? "SMTP" : "ESMTP"
        let state =
            switch self.state {
            case .connect: "CONNECT"
            case .helo: session.helloVerb == .helo ? "HELO" : "EHLO"
            case .mail: "MAIL"
            case .rcpt: "RCPT"
            case .endOfMessage: "END-OF-MESSAGE"
            }
        return [
            "request": "smtpd_access_policy", "protocol_state": state, "protocol_name": protocolName,
            "helo_name": session.hello ?? "", "queue_id": self.state == .endOfMessage ? order.id : "",
            "sender": sender?.description ?? "", "recipient": recipient?.description ?? "",
            "recipient_count": "\(order.recipientCount)", "client_address": "\(session.client)",
            "client_name": session.clientName ?? "unknown",
            "reverse_client_name": session.clientReverseName ?? session.clientName ?? "unknown",
            "instance": order.id, "sasl_method": session.user?.mechanism ?? "",
            "sasl_username": session.user?.mailbox.description ?? "", "sasl_sender": "", "size": "\(order.size ?? 0)",
            "encryption_protocol": session.tls?.version ?? "", "encryption_cipher": session.tls?.cipher ?? "",
            "encryption_keysize": "0", "etrn_domain": "", "stress": "", "client_port": "\(session.clientPort)",
            "policy_context": order.context, "server_address": session.serverAddress?.description ?? "",
            "server_port": session.serverPort.map(String.init) ?? "", "tls_sni": session.tls?.serverName ?? "",
        ]
    }
}

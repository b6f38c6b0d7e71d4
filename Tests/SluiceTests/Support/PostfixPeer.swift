import Foundation

/// A Postfix of the tests: its own folders, its master started and ended by us.
final class PostfixPeer: Sendable {
    let folder: TemporaryFolder
    let child: Child
    var mail: String { folder.path + "/mail" }
    var log: String { (try? folder.text("log/mail.log")) ?? "" }

    /// - Parameters:
    ///   - tls: The folder of its certificate, if it has one.
    ///   - logins: Where Dovecot says whether a login is right; then nobody else is served, nor without TLS.
    ///   - settings: Further lines of main.cf, in which `ROOT` is the Postfix's own folder.
    ///   - tables: Further files beside it.
    init(
        port: Int, tls: String?, logins: String? = nil, settings: String = "", tables: [String: String] = [:]
    ) throws {
        guard getuid() == 0 else { throw MissingPeer(name: "root (for Postfix's master)") }
        folder = try TemporaryFolder()
        let root = folder.path
        _ = try Programs.path(of: "/usr/lib/postfix/sbin/master")
        let id = getpwnam("postfix").map { ($0.pointee.pw_uid, $0.pointee.pw_gid) }
        guard let id else { throw MissingPeer(name: "the user postfix") }
        let own = logins.map(Self.loginSettings) ?? "smtpd_recipient_restrictions = reject_unauth_destination\n"
        let further = settings.replacingOccurrences(of: "ROOT", with: root)
        try folder.write(Self.settings(root, tls: tls, id) + own + further, to: "etc/main.cf")
        for (name, text) in tables { try folder.write(text, to: "etc/\(name)") }
        try folder.write(Self.services(port), to: "etc/master.cf")
        try folder.write(
            "user@far.test user/Maildir/\nsecond@far.test second/Maildir/\n"
                + "refused@far.test refused/Maildir/\n", to: "etc/mailboxes")
        for name in ["spool", "spool/pid", "data", "log", "mail"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
        }
        let queues = [
            "incoming", "active", "deferred", "bounce", "defer", "trace", "corrupt", "flush", "hold", "saved",
            "private",
            "maildrop", "public",
        ]
        for name in queues {
            try FileManager.default.createDirectory(atPath: "\(root)/spool/\(name)", withIntermediateDirectories: true)
        }
        for name in ["data", "mail"] + queues.map({ "spool/\($0)" }) {
            chown("\(root)/\(name)", id.0, id.1)
        }
        chmod(root, 0o755)
        child = try Child(
            "/usr/lib/postfix/sbin/master", ["-c", root + "/etc", "-d"], environment: ["MAIL_CONFIG": root + "/etc"],
            place: root)
    }

    private static func settings(_ root: String, tls: String?, _ id: (uid_t, gid_t)) -> String {
        """
        compatibility_level = 3.6
        queue_directory = \(root)/spool
        data_directory = \(root)/data
        command_directory = /usr/sbin
        daemon_directory = /usr/lib/postfix/sbin
        mail_owner = postfix
        setgid_group = postdrop
        maillog_file = \(root)/log/mail.log
        maillog_file_prefixes = \(root)
        myhostname = far.test
        mydestination =
        inet_interfaces = 127.0.0.1
        inet_protocols = ipv4
        alias_maps =
        alias_database =
        virtual_mailbox_domains = far.test
        virtual_mailbox_base = \(root)/mail
        virtual_mailbox_maps = texthash:\(root)/etc/mailboxes
        virtual_uid_maps = static:\(id.0)
        virtual_gid_maps = static:\(id.1)

        """
            + (tls.map { folder in
                """
                smtpd_tls_security_level = may
                smtpd_tls_cert_file = \(folder)/cert.pem
                smtpd_tls_key_file = \(folder)/key.pem
                smtpd_tls_received_header = yes

                """
            } ?? "")
    }

    private static func loginSettings(_ socket: String) -> String {
        """
        smtpd_sasl_auth_enable = yes
        smtpd_sasl_type = dovecot
        smtpd_sasl_path = \(socket)
        smtpd_tls_auth_only = yes
        smtpd_recipient_restrictions = permit_sasl_authenticated, reject
        smtpd_relay_restrictions = permit_sasl_authenticated, reject

        """
    }

    private static func services(_ port: Int) -> String {
        """
        127.0.0.1:\(port) inet n - n - - smtpd
        cleanup unix n - n - 0 cleanup
        qmgr unix n - n 300 1 qmgr
        tlsmgr unix - - n 1000? 1 tlsmgr
        rewrite unix - - n - - trivial-rewrite
        bounce unix - - n - 0 bounce
        defer unix - - n - 0 bounce
        trace unix - - n - 0 bounce
        proxymap unix - - n - - proxymap
        error unix - - n - - error
        retry unix - - n - - error
        smtp unix - - n - - smtp
        relay unix - - n - - smtp
        virtual unix - n n - - virtual
        anvil unix - - n - 1 anvil
        postlog unix-dgram n - n - 1 postlogd

        """
    }
}

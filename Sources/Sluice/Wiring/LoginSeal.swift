import Adapters
import Directory
import Foundation
import MailTypes
import Pipeline
import Protocols

/// Seals passwords for other servers, so that the directory alone does not give them away.
///
/// The host, its port and the name are sealed in with the password: moved to another row it opens no more.
struct LoginSeal: Sendable {
    /// The secret's file; it is made where there is none.
    let path: String

    func seal(_ password: String, name: String, host: String, port: Int) throws -> SealedLogin {
        let key = try SecretKeyFile.open(path, try ScryptHashing())
        return SealedLogin(
            name: name,
            sealedPassword: try Crypto.seal(
                Array(password.utf8), for: Self.context(name, host, port), key: key))
    }

    /// The login for the server that it was sealed for.
    func open(_ login: SealedLogin, host: String, port: Int) throws(StageFailure) -> SMTPClientMachine.Login {
        do {
            // Not made: what it has sealed would not open.
            guard FileManager.default.fileExists(atPath: path) else { throw StageFailure("there is no \(path)") }
            let key = try SecretKeyFile.open(path, try ScryptHashing())
            let context = Self.context(login.name, host, port)
            guard let password = try Crypto.open(login.sealedPassword, for: context, key: key) else {
                throw StageFailure("the login for \(host):\(port) was sealed with another key, or for another server")
            }
            return SMTPClientMachine.Login(name: login.name, password: String(decoding: password, as: UTF8.self))
        } catch let failure as StageFailure {
            throw failure
        } catch { throw StageFailure("a login cannot be opened: \(error)") }
    }

    private static func context(_ name: String, _ host: String, _ port: Int) -> [UInt8] {
        Array("sluice relay login 1\n\(host.asciiLowercased)\n\(port)\n\(name)".utf8)
    }
}

extension LoginSeal {
    init(_ data: DataFolder) { self.init(path: data.sealKey) }
}

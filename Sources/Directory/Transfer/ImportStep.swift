import GRDB
import MailTypes

/// One change that a row asks for, and the column that it comes from.
struct ImportStep {
    typealias Deed = (borrowing DirectoryChanges, inout ImportState, ImportContext) throws -> Void

    var column: TransferColumn
    var deed: Deed

    init(_ column: TransferColumn, _ deed: @escaping Deed) {
        self.column = column
        self.deed = deed
    }
}

/// How far a row has come.
struct ImportState {
    enum Standing {
        case new
        /// It was there before, and is changed.
        case known
        /// It was there before, and stays.
        case skipped
    }

    /// What an account's password is made of.
    enum Password: Hashable {
        /// It stands in the file.
        case given(String)
        case generated
        case set(String)
    }

    var standing = Standing.new
    var isChanged = false
    /// What is to be hashed for it.
    var password: Password?
    /// The account's address, as it is stored.
    var address: String?
    /// Made for an account.
    var addedDomain: String?
}

/// What all rows of one run have in common.
struct ImportContext {
    var options: ImportOptions
    /// Nothing stays: passwords need not be hashed.
    var isTrial: Bool
    /// By the row's number.
    var hashes: [Int: String] = [:]
    /// The row that is under way.
    var row = 0

    /// The hash of the row's password.
    func hash(for password: ImportState.Password?) throws -> String? {
        guard password != nil else { return nil }
        if isTrial { return "trial" }
        guard let hash = hashes[row] else {
            throw DirectoryError.unavailable("an account has come or gone meanwhile; please try again")
        }
        return hash
    }

    /// What becomes of an entry that is there already.
    func standing(ofKnown kind: DirectoryError.Kind, name: String) throws -> ImportState.Standing {
        switch options.existing {
        case .refuse: throw DirectoryError.alreadyExists(kind, name: name)
        case .skip: .skipped
        case .change: .known
        }
    }
}

extension DirectoryChanges {
    /// Does all of `body` or nothing of it, whatever else the transaction holds.
    func attempt(_ body: () throws -> Void) throws {
        try db.inSavepoint {
            try body()
            return .commit
        }
    }

    /// The row of an address of that kind, if there is one.
    func known(_ kind: AddressRow.Kind, _ text: String) throws -> AddressRow? {
        guard let row = try lookup.exact(try names.address(text)), row.kind == kind else { return nil }
        return row
    }

    func hasPostOffice(_ name: String) throws -> Bool {
        try Row.fetchOne(db, sql: "SELECT 1 FROM postOffice WHERE key = ?", arguments: [Names.key(name)]) != nil
    }

    /// Whether both name the same addresses, in the same order.
    func areSame(_ old: [EmailAddress], _ new: [String]) throws -> Bool {
        try old.map(\.key) == members(new).map(\.key)
    }
}

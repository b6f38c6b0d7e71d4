import MailTypes

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension SystemError {
    static let noSpace = ENOSPC
    static let tryAgain = EAGAIN

    var isNoSuchFile: Bool { code == ENOENT }
    var isFileThere: Bool { code == EEXIST }
}

"""What is declared outside of any namespace, as no namespace may be called.

By C's headers, of glibc, that C++'s own and TFLM's bring, where other libraries have
fewer names; and by TFLM and the bundle's program.
"""

import re

_NAMES = frozenset(
    """
    a64l abort abs access acct acos acosh alarm aligned_alloc alloca arc4random
    arc4random_buf arc4random_uniform asctime asin asinh asprintf assert at_quick_exit
    atan atan2 atanh atexit atof atoi atol basename bcmp bcopy brk bsearch bzero calloc
    canonicalize canonicalize_file_name cbrt ceil chdir chown chroot clearenv clearerr
    clock clock_adjtime clock_getcpuclockid clock_getres clock_gettime clock_nanosleep
    clock_settime close close_range closefrom complex confstr copysign cos cosh crypt
    ctermid ctime cuserid daddl daemon daylight ddivl dfmal difftime div dmull dprintf
    drand48 drem dsqrtl dsubl dup dup2 dup3 dysize eaccess ecvt endusershell environ
    erand48 erf erfc errno euidaccess exception execl execle execlp execv execve
    execveat execvp execvpe exit exp exp10 exp2 explicit_bzero expm1 fabs faccessat fadd
    fchdir fchown fchownat fclose fcloseall fcvt fd_mask fdatasync fdim fdiv fdopen feof
    ferror fexecve fflush ffma ffs ffsll fgetc fgetpos fgetpos64 fgets fileno finite
    flockfile floor fma fmax fmaxmag fmemopen fmin fminmag fmod fmul fopen fopen64
    fopencookie fork fpathconf fpclassify fprintf fputc fputs fread free freopen
    freopen64 frexp fromfp fromfpx fscanf fseek fseeko fseeko64 fsetpos fsetpos64 fsqrt
    fsub fsync ftell ftello ftello64 ftruncate ftruncate64 ftrylockfile funlockfile
    fwrite gamma gcvt get_current_dir_name getc getchar getcwd getdate getdate_err
    getdelim getdomainname getdtablesize getegid getenv geteuid getgid getgroups
    gethostid gethostname getline getloadavg getlogin getopt getpagesize getpass
    getpayload getpgid getpgrp getpid getppid getpt getresgid getresuid getsid getsubopt
    gettid getuid getusershell getw getwd gmtime grantpt group_member gsignal hypot i386
    ilogb imaginary imaxabs imaxdiv index initstate isalnum isalpha isascii isatty
    isblank iscntrl isctype isdigit isfinite isgraph isgreater isgreaterequal isinf
    isinff isinfl isless islessequal islessgreater islower isnan isnanf isnanl isnormal
    isprint ispunct isspace isunordered isupper isxdigit itimerspec itimerval j0 j1 jn
    jrand48 kill killpg l64a labs lchown lcong48 lconv ldexp ldiv lgamma link linkat
    linux llabs lldiv llogb llrint llround localtime lockf log log10 log1p log2 logb
    longjmp lrand48 lrint lround lseek lseek64 malloc math_errhandling mblen mbstowcs
    mbtowc memccpy memchr memcmp memcpy memfrob memmem memmove mempcpy memrchr memset
    mips mkdtemp mkostemp mkostemp64 mkostemps mkostemps64 mkstemp mkstemp64 mkstemps
    mkstemps64 mktemp mktime modf mrand48 nan nanosleep nearbyint nextafter nextdown
    nexttoward nextup nice nothrow nrand48 obstack obstack_printf obstack_vprintf
    offsetof on_exit open_memstream optarg opterr optind optopt pathconf pause pclose
    perror pipe pipe2 popen posix_memalign posix_openpt pow pread pread64 printf profil
    program_invocation_name program_invocation_short_name pselect psiginfo psignal
    pthread_kill pthread_sigmask pthread_sigqueue ptsname putc putchar putenv puts putw
    pwrite pwrite64 qecvt qfcvt qgcvt qsort quick_exit raise rand random rawmemchr read
    readlink readlinkat realloc reallocarray realpath remainder remove remquo rename
    renameat renameat2 revoke rewind rindex rint rmdir round roundeven rpmatch sbrk
    scalb scalbln scalbn scanf secure_getenv seed48 select setbuf setbuffer
    setdomainname setegid setenv seteuid setgid sethostid sethostname setjmp setlinebuf
    setlogin setpayload setpayloadsig setpgid setpgrp setregid setresgid setresuid
    setreuid setsid setstate setuid setusershell setvbuf sigaction sigaddset sigaltstack
    sigandset sigblock sigcontext sigdelset sigemptyset sigevent sigfillset siggetmask
    sighold sigignore siginterrupt sigisemptyset sigismember siglongjmp sigmask signal
    signbit signgam significand sigorset sigpause sigpending sigprocmask sigqueue
    sigrelse sigreturn sigset sigsetmask sigstack sigsuspend sigtimedwait sigwait
    sigwaitinfo sin sincos sinh sleep snprintf sprintf sqrt srand srand48 srandom sscanf
    ssignal stat stderr stdin stdout stpcpy stpncpy strcasecmp strcasestr strcat strchr
    strchrnul strcmp strcoll strcpy strcspn strdup strdupa strerror strfromd strfromf
    strfroml strfry strftime strlen strncasecmp strncat strncmp strncpy strndup strndupa
    strnlen strpbrk strptime strrchr strsep strsignal strspn strstr strtod strtof
    strtoimax strtok strtol strtold strtoq strtoul strtoumax strtouq strverscmp strxfrm
    sun swab symlink symlinkat sync syncfs syscall sysconf system sysv_signal tan tanh
    tcgetpgrp tcsetpgrp tempnam tgamma tgkill time timegm timelocal timer_create
    timer_delete timer_getoverrun timer_gettime timer_settime timespec timespec_get
    timespec_getres timeval timex timezone tm tmpfile tmpfile64 tmpnam toascii tolower
    totalorder totalordermag toupper trunc truncate truncate64 ttyname ttyslot tzset
    u_char u_int u_long u_short ualarm ufromfp ufromfpx uint ulong ungetc unix unlink
    unlinkat unlockpt unsetenv ushort usleep va_arg va_copy va_end va_list va_start
    valloc vasprintf vdprintf vfork vfprintf vfscanf vhangup vprintf vscanf vsnprintf
    vsprintf vsscanf wcstoimax wcstombs wcstoumax wctomb write y0 y1 yn
    """.split()
)
# What the rest looks like: macros, types, variants of a function, and TFLM's.
_SHAPE = re.compile(
    r"[A-Z0-9_]+|([LMP]|s[ai]|sigev)_\w+|(PRI|SCN)[diouxX]\w+|\w+_(l|np|r|t|unlocked)"
    r"|\w+f(32|64|128)x?(_[lr])?|(fm(ax|in)imum|atomic_|f(32|64))\w*"
    r"|k?TfLite\w*|V?MicroPrintf|Check|Fill|Run"
)


def is_global(name: str) -> bool:
    """Whether a function, a type or a macro of this name may be declared globally.

    Args:
        name: an identifier.

    Example:
        >>> [is_global(name) for name in ("index", "sinf", "NULL", "keywords")]
        [True, True, True, False]
    """
    # Mathematics comes for double, float and long double: sin, sinf, sinl.
    return bool(
        {name, name[:-1] if name[-1:] in "fl" else ""} & _NAMES
        or _SHAPE.fullmatch(name)
    )

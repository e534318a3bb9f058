"""The error classes, with their codes, HTTP statuses and exit statuses.

UndertoneError
├── RecordingError          the recording cannot be used
│   ├── UnsupportedMedia        unsupported container or codec
│   ├── NoAudio                 the recording has no audio
│   ├── EmptyFile               the file has no bytes
│   ├── MediaTooLarge           exceeds a limit on duration, streams or resolution
│   │   └── AudioTooLong            longer than the request allows
│   ├── TooLittleSpeech         a smaller share of speech than the request requires
│   └── DecodeFailed            the decoder failed
├── RequestError            the request cannot be processed
│   ├── InvalidRequest          options that are invalid or contradict each other
│   ├── InvalidTranscript       a platform transcript that cannot be read
│   ├── NotFound                a file or resource that does not exist
│   ├── IdempotencyKeyReused    an idempotency key that was used for another request
│   ├── StateConflict           not possible in the current state
│   │   ├── NotReady                the job has not produced it yet
│   │   ├── TranscriptTooLate       a platform's transcript that was announced after the job began
│   │   ├── JobFailed               the job failed; the response carries the job's error code
│   │   ├── NoEmotionReading        the utterance has no emotion reading to correct
│   │   ├── EditConflict            somebody else corrected the same utterance or speaker
│   │   ├── NothingToUndo           no edit to undo, or none to redo
│   │   ├── TooManyCorrections      more corrections than a transcript can have
│   │   ├── VideoNotRequested       the captioned video was not requested
│   │   ├── NoVideo                 the recording has no video to caption
│   │   ├── NoRecording             the job has a transcript alone
│   │   └── MediaDeleted            the recording was deleted when its retention period ended
│   ├── PreconditionFailed      changed since it was read
│   ├── RangeNotSatisfiable     a range outside the file
│   ├── UploadTooLarge          more bytes than this deployment accepts
│   ├── QuotaExceeded           more bytes than one tenant may store
│   ├── MalformedBody           the body is truncated, or does not match its headers
│   ├── BodyTimeout             the body arrives too slowly
│   ├── RequestTimeout          the service needs too long for the response
│   ├── UnsupportedContentType  a content type that this endpoint does not accept
│   ├── IdempotencyKeyInUse     the first request with this key is still running
│   ├── UploadExpired           a resumable upload that expired
│   ├── UploadLocked            another request is writing to the upload
│   ├── UnsupportedProtocolVersion  an unsupported version of tus
│   ├── ModalityNotAllowed      this deployment does not allow the modality
│   └── PurposeProhibited       the law prohibits the modality for this purpose
├── EngineError             a model could not be used
│   ├── EngineUnavailable       its runtime or weights are missing; `hint` is the command that installs them
│   └── EngineFailed            it failed on this input
├── AccessDenied            the caller is not permitted
│   ├── InvalidApiKey           the key is missing, unknown, expired or revoked
│   ├── InvalidSignature        a webhook of a platform that is forged, stale or signed by another secret
│   ├── InsufficientScope       a valid key without the required scope
│   ├── HostNotAllowed          a request without a key that does not come from this machine
│   └── TooManyRequests         the rate limit of this key or address is exceeded
├── WorkError               an error of a worker's claim on a stage
│   ├── LeaseLost               another worker has the lease, or the job has ended: stop and write nothing
│   ├── TimedOut                an attempt exceeded its time limit
│   └── Poisoned                the recording crashed its worker repeatedly
├── OutboundError           a request to an address given by a client
│   ├── AddressBlocked          the address is blocked; the message does not say by which rule
│   └── OutboundFailed          the request failed, or the response was invalid
├── InvalidSetting          a deployment's setting is missing or wrong
│   └── EncryptionKeyMissing    stored data was encrypted with a key that the deployment does not have
├── StorageFull             no free space
├── StorageUnavailable      storage cannot be reached, or rejects the credentials
│   └── DatabaseUnavailable     the database cannot be reached, is locked, or cannot write
├── StoredDataMissing       stored data no longer exists
└── Interrupted             stopped by the user; finished stages are kept
"""

# This package is the one import path of all errors.
from shared.domain.error.access import *
from shared.domain.error.base import *
from shared.domain.error.deployment import *
from shared.domain.error.job import *
from shared.domain.error.request import *

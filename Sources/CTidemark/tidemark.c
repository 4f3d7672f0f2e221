// The header is the module; its functions are Swift's (Sources/TidemarkEmbedding).
#include "tidemark.h"

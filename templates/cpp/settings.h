extern "C" char **environ;

namespace tgenn
{
//! How the network is run: from the environment variables TGENN_RUN_...
struct Settings
{
    std::string data;           //!< folder of the examples
    size_t limit;               //!< the first so many examples; 0: all
    unsigned int timesteps;     //!< steps an example
    unsigned int batchSize;     //!< examples at a time; 0: what fits
    std::string connectivity;   //!< auto, sparse or toeplitz
    uint32_t seed;              //!< for random numbers, where the network draws any
    std::string output;         //!< folder to write; empty: none
};

//! The value of an environment variable; one that is empty counts as not set
inline std::string environmentVariable(const char *name, const std::string &otherwise)
{
    const char *value = std::getenv(name);
    return (value == nullptr || *value == '\0') ? otherwise : value;
}

//! A whole number of low to high, or `otherwise` where it is not set
inline uint32_t environmentNumber(const char *name, uint32_t otherwise, uint32_t low, uint32_t high)
{
    const std::string text = environmentVariable(name, "");
    if(text.empty()) {
        return otherwise;
    }
    const bool digits = text.size() <= 10 && text.find_first_not_of("0123456789") == std::string::npos;
    const uint64_t number = digits ? std::stoull(text) : 0;
    if(!digits || number < low || number > high) {
        throw std::runtime_error(std::string(name) + ": expected a whole number of " + std::to_string(low)
                                 + " to " + std::to_string(high) + ", got '" + printable(text) + "'");
    }
    return static_cast<uint32_t>(number);
}

//! Fails where a variable is called as if it were a setting, and is none
inline void checkNames(const std::vector<std::string> &names)
{
    for(char **variable = environ; *variable != nullptr; variable++) {
        const std::string text = *variable;
        const std::string name = text.substr(0, text.find('='));
        if(name.rfind("TGENN_RUN_", 0) != 0 || std::count(names.begin(), names.end(), name) > 0) {
            continue;
        }
        std::string known;
        for(const std::string &n : names) {
            known += (known.empty() ? "" : ", ") + n;
        }
        throw std::runtime_error(printable(name) + ": there is no such setting; there are " + known);
    }
}

//! Fails where no folder can be written there, or where it is that of the data
inline void checkOutput(const Settings &settings)
{
    if(settings.output.empty()) {
        return;
    }
    const std::string said = "TGENN_RUN_OUTPUT=" + printable(settings.output) + ": ";
    const std::filesystem::path path = std::filesystem::absolute(settings.output);
    const std::filesystem::path parent = (path.has_filename() ? path : path.parent_path()).parent_path();
    std::error_code ignored;
    if(std::filesystem::exists(path, ignored)) {
        if(!std::filesystem::is_directory(path, ignored)) {
            throw std::runtime_error(said + "is not a folder");
        }
        for(const char *inside : {"", "output", "spike_counts"}) {
            if(std::filesystem::equivalent(path / inside, settings.data, ignored)) {
                throw std::runtime_error(said + "is the folder of the data");
            }
        }
    }
    else if(!std::filesystem::is_directory(parent, ignored)) {
        throw std::runtime_error(said + "there is no folder " + parent.string());
    }
}

//! The settings of a network of so many timesteps, which takes maxTimesteps and is read after step start
inline Settings readSettings(unsigned int timesteps, unsigned int maxTimesteps, unsigned int start)
{
    checkNames({"TGENN_RUN_DATA", "TGENN_RUN_LIMIT", "TGENN_RUN_TIMESTEPS", "TGENN_RUN_BATCH_SIZE",
                "TGENN_RUN_CONNECTIVITY", "TGENN_RUN_SEED", "TGENN_RUN_OUTPUT"});
    const uint32_t most = 999999999;
    Settings settings;
    settings.data = environmentVariable("TGENN_RUN_DATA", "examples");
    settings.limit = environmentNumber("TGENN_RUN_LIMIT", 0, 1, most);
    settings.timesteps = environmentNumber("TGENN_RUN_TIMESTEPS", timesteps, 1, most);
    settings.batchSize = environmentNumber("TGENN_RUN_BATCH_SIZE", 0, 1, most);
    settings.connectivity = environmentVariable("TGENN_RUN_CONNECTIVITY", "auto");
    settings.seed = environmentNumber("TGENN_RUN_SEED", 0, 0, std::numeric_limits<uint32_t>::max());
    settings.output = environmentVariable("TGENN_RUN_OUTPUT", "");

    const std::string steps = "TGENN_RUN_TIMESTEPS=" + std::to_string(settings.timesteps) + ": ";
    if(settings.timesteps > maxTimesteps) {
        throw std::runtime_error(steps + "the network takes at most " + std::to_string(maxTimesteps));
    }
    if(settings.timesteps <= start) {
        throw std::runtime_error(steps + "the readout starts only after step " + std::to_string(start));
    }
    const std::string &connectivity = settings.connectivity;
    if(connectivity != "auto" && connectivity != "sparse" && connectivity != "toeplitz") {
        throw std::runtime_error("TGENN_RUN_CONNECTIVITY: expected auto, sparse or toeplitz, got '"
                                 + printable(connectivity) + "'");
    }
    checkOutput(settings);
    return settings;
}

//! Fails where the file there was made of another document than this program was
inline void checkIsCurrent(const std::string &path, const std::string &documentHash)
{
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if(!text.empty() && text.find(documentHash) == std::string::npos) {
        throw std::runtime_error(path + ": was generated anew since this was built: build it again");
    }
}
} // namespace tgenn

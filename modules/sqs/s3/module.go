package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/sqs"
)

// Module provides the sqs.ObjectStore that sqs.Module looks for. It has nothing to start or stop.
var Module = fx.Module("fxpond/sqs/s3", fx.Provide(New))

// Params are what [New] takes from the app.
type Params struct {
	fx.In

	Config Config
	Client *awss3.Client `optional:"true"` // default: from the SDK's own chain of environment, files and roles
}

// New makes the store.
func New(p Params) (sqs.ObjectStore, error) {
	client := p.Client
	if client == nil {
		cfg, err := config.LoadDefaultConfig(context.Background())
		if err != nil {
			return nil, fmt.Errorf("s3: reading the AWS configuration: %w", err)
		}
		if cfg.Region == "" {
			return nil, errors.New("s3: no AWS region is configured: set AWS_REGION")
		}
		client = awss3.NewFromConfig(cfg)
	}
	return NewStore(p.Config, client)
}
